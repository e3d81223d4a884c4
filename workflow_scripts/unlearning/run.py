"""The training loop of unlearning: prepare, resume, then steps and probes."""

import math
import time
from collections.abc import Callable

import torch
from torch import Tensor

from jobs.group import Group
from jobs.progress import progress
from jobs.stage import load
from jobs.state import State, random_state, set_random_state
from moe.delta import trained_tensors
from moe.forward import Batch
from moe.layers import find_moe_layers
from moe.loading import checkpoint_activations_, move_to_gpu_
from moe.packing import batch_of, batches, shuffled
from moe.precision import copy_gradients_to_masters, make_masters, master, write_back
from moe.routing import record_routing
from moe.sharding import load_optimizer_slices, optimizer_slices, own_rows, own_slice, reshard_, shard_, whole
from moe.upper_layers import Prefix, Reuse, lowest_trained, reuse_prefix_
from planning.cell_files import checkpoint_steps
from unlearning.anchor import anchor_loss
from unlearning.probe import probe
from unlearning.texts import Texts

BETAS, CLIP = (0.9, 0.999), 1.0  # AdamW and gradient clipping of the published runs (LLaMA-Factory's defaults)


def unlearn(
    model: torch.nn.Module,
    texts: Texts,
    settings: dict,
    selection: dict,
    seed: int,
    save: Callable[[int], None],
    *,
    state: State | None = None,
    reuse: Reuse | None = None,
    group: Group | None = None,
    label: str = "unlearning",
) -> tuple[dict, dict]:
    """Train `model` in place, calling `save(step)` at each checkpoint. Returns (trajectory, parameters).

    settings: `method`, `scope`, `training`, `learning_rate`. state: where the run resumes from and saves itself.
    reuse: how the layers below the trained ones are cached. group: the processes that the model is sharded over.
    """
    training = settings["training"]
    saved = set(checkpoint_steps(training))
    run = Run(model, texts, settings, selection, seed, group or Group())
    run.prepare(reuse or Reuse())
    first = run.resume(state) + 1
    bar, start = progress(range(first, training["steps"] + 1), label, quiet=run.group.rank > 0), time.monotonic()
    for step in bar:
        row = run.step(step)
        tokens = (step - first + 1) * training["batch_size"] * training["block_length"]
        bar.set(loss=row["forget_loss"], tokens_per_second=tokens / (time.monotonic() - start))
        if step in saved:
            save(step)
        if step % training["probe_every"] == 0 or step == training["steps"]:
            run.probe(step)
        if state and state.due(step):
            run.save_state(state, step)
    return run.trajectory, run.parameters


class Run:
    """One run's model, texts, optimizer and records."""

    def __init__(self, model: torch.nn.Module, texts: Texts, settings: dict, selection: dict, seed: int, group: Group):
        self.model, self.texts, self.selection, self.seed, self.group = model, texts, selection, seed, group
        self.scope, self.training, self.learning_rate = (settings[k] for k in ("scope", "training", "learning_rate"))
        self.method = settings["method"] | {"seed": seed}
        self.losses = load("methods", self.method["name"])
        self.rows_at_once = self.training.get("rows_at_once") or self.training["batch_size"]
        self.layers = find_moe_layers(model)
        self.total = sum(parameter.numel() for parameter in model.parameters())
        self.prefix: Prefix | None = None

    def prepare(self, reuse: Reuse) -> None:
        """Everything before the first step. The first probe and the references see the untouched model."""
        self._freeze_all_but_the_scope()
        known = [blocks for blocks in (self.texts.forget, self.texts.retain) if blocks is not None]
        device = self.group.device or move_to_gpu_(self.model, lowest_trained(self.model))
        self.texts = self.texts.to(device)
        anchored = set(map(int, self.selection["anchor"]))
        self.anchored = [layer for layer in self.layers if layer.index in anchored]
        self._first_probe()
        # From here on the layers below the trained ones run once per text. The first probe, above, ran all layers.
        every_layer = hasattr(self.losses, "reads_every_layer") and self.losses.reads_every_layer(self.method)
        if self.group.size == 1 and not every_layer:
            self.prefix = reuse_prefix_(self.model, lowest_trained(self.model), reuse, known, self.rows_at_once)
        self.forget_reference = self._reference("forget_reference", self.texts.forget)
        self.retain_reference = self._reference("retain_reference", self.texts.retain)
        self._make_optimizer()
        size = self.training["batch_size"]
        self.forget_batches = shuffled(self.texts.forget, size, self.seed)
        self.retain_batches = None
        if self.texts.retain is not None and self.method["retain_weight"]:
            self.retain_batches = shuffled(self.texts.retain, size, self.seed + 1, self.texts.weights)

    def _freeze_all_but_the_scope(self) -> None:
        model, kind = self.model, self.scope["kind"]
        model.eval()  # no dropout: the model is compared with its untouched self
        model.requires_grad_(False)
        hook = {key: self.method[key] for key in ("hook_layer",) if key in self.method}
        load("scopes", kind).prepare(model, self.layers, self.selection, self.scope | hook)
        shard_(model, self.group)
        self.named = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
        if not self.named:
            raise SystemExit(f"scope {kind}: nothing to train in a {type(model).__name__}; is it a dense model?")
        tensors = {name: tensor.numel() for name, tensor in trained_tensors(model).items()}
        count = sum(tensors.values())
        self.parameters = {"trained": count, "total": self.total, "percent": 100.0 * count / self.total}
        self.parameters |= {"tensors": tensors}
        if self.training.get("gradient_checkpointing"):
            checkpoint_activations_(model)

    def _first_probe(self) -> None:
        count, layers = self.training["probe_blocks"], self.layers
        self.probe_batch = batches(self.texts.forget[:count], count)[0]
        first, self.before = probe(self.model, layers, self.probe_batch, None)
        self.trajectory = {
            "steps": [],
            "probes": [{"step": 0} | first],
            "moe_layers": [layer.index for layer in layers],
            "experts": layers[0].num_experts if layers else 0,
            "top_k": self.before.top_k[layers[0].index].shape[-1] if layers else 0,
        }

    def _reference(self, name: str, blocks: Tensor | None) -> Tensor | None:
        """What a loss compares with, computed on the untouched model; None if the method has no such function."""
        compute = getattr(self.losses, name, None)
        return compute and compute(self.model, batches(blocks, self.rows_at_once), self.method)

    def _make_optimizer(self) -> None:
        self.trained = list(self.named.values())
        self.masters = make_masters(self.trained)
        # The fused kernel passes over memory once and holds no further copies of all that trains.
        options = {"lr": self.learning_rate, "betas": BETAS, "weight_decay": 0.0, "fused": True}
        self.optimizer = torch.optim.AdamW(self.masters, **options)
        self.weights = {name: own_slice(master(parameter).detach()) for name, parameter in self.named.items()}

    def resume(self, state: State | None) -> int:
        """Load the saved state, if there is one; returns the last step done."""
        saved = state.load() if state else None
        if not saved:
            return 0
        with torch.no_grad():
            for name, parameter in self.weights.items():
                parameter.copy_(saved["weights"][name])
        write_back(self.trained)
        reshard_(self.model)
        load_optimizer_slices(self.optimizer, saved["optimizer"], self.masters)
        self.trajectory = saved["trajectory"]
        for stream in filter(None, (self.forget_batches, self.retain_batches)):
            for _ in range(saved["step"]):
                next(stream)
        set_random_state(saved["random"])
        return saved["step"]

    def save_state(self, state: State, step: int) -> None:
        payload = {"weights": self.weights, "optimizer": optimizer_slices(self.optimizer.state_dict())}
        state.save(step, payload | {"trajectory": self.trajectory, "random": random_state()})

    def step(self, step: int) -> dict[str, float | None]:
        """One optimizer step; returns its row of the trajectory."""
        sums: dict[str, float | None] = dict.fromkeys(("forget_loss", "retain_loss", "anchor_loss"))
        self._backward_forget(sums)
        if self.retain_batches:
            self._backward_retain(sums)
        copy_gradients_to_masters(self.trained)
        limit = CLIP if self.method.get("clipped", True) else math.inf
        norm = whole(torch.nn.utils.clip_grad_norm_(self.masters, limit)).item()
        row = {"step": step} | self.group.mean(sums) | {"gradient_norm": norm}
        for key in ("forget_loss", "retain_loss", "gradient_norm"):
            if row[key] is not None and not math.isfinite(row[key]):
                what = key.replace("_", " ")
                raise SystemExit(f"step {step}: the {what} is {row[key]}; lower the learning rate of this cell")
        self.optimizer.step()
        write_back(self.trained)
        self.optimizer.zero_grad(set_to_none=True)
        self.trajectory["steps"].append(row)
        return row

    def _backward_forget(self, sums: dict[str, float | None]) -> None:
        for part, share in own_rows(next(self.forget_batches), self.group).parts(self.rows_at_once):
            with record_routing(self.model, self.anchored) as routing:
                loss = self.losses.forget_loss(self.model, part, self.forget_reference, self.method)
            _add(sums, "forget_loss", share * loss)
            if self.anchored:
                anchor = anchor_loss(routing, self.selection["anchor"], part.mask, self.scope)
                _add(sums, "anchor_loss", share * anchor)
                loss = loss + self.scope["alpha"] * anchor
            (share * loss).backward()

    def _backward_retain(self, sums: dict[str, float | None]) -> None:
        for part, share in own_rows(next(self.retain_batches), self.group).parts(self.rows_at_once):
            loss = share * self.losses.retain_loss(self.model, part, self.retain_reference, self.method)
            _add(sums, "retain_loss", loss)
            (self.method["retain_weight"] * loss).backward()

    def probe(self, step: int) -> None:
        result, _ = probe(self.model, self.layers, self.probe_batch, self.before)
        self.trajectory["probes"].append({"step": step, "gradient_ratio": self._gradient_ratio()} | result)

    def _gradient_ratio(self) -> float | None:
        """Norm of the forget term's gradient over that of the weighted retain term's, on fixed blocks; None without a
        retain term, or where that is flat."""
        if not self.retain_batches:
            return None
        rows = torch.arange(min(self.training["probe_blocks"], len(self.texts.retain)))
        retain = batch_of(self.texts.retain, rows, self.texts.weights)
        forget = self._gradient_norm(self.losses.forget_loss, self.probe_batch, self.forget_reference)
        kept = self._gradient_norm(self.losses.retain_loss, retain, self.retain_reference)
        return forget / (self.method["retain_weight"] * kept) if kept else None

    def _gradient_norm(self, loss: Callable, batch: Batch, reference: Tensor | None) -> float:
        for part, share in own_rows(batch, self.group).parts(self.rows_at_once):
            (share * loss(self.model, part, reference, self.method)).backward()
        gradients = [parameter.grad for parameter in self.trained if parameter.grad is not None]
        norm = whole(torch.nn.utils.get_total_norm(gradients)).item() if gradients else 0.0
        for parameter in self.trained:
            parameter.grad = None
        return norm


def _add(sums: dict[str, float | None], key: str, value: Tensor) -> None:
    sums[key] = (sums[key] or 0.0) + value.item()
