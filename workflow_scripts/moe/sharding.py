"""Train a model that does not fit one GPU: parameters, gradients and Adam's state sharded over processes (FSDP2).

Each process holds a slice of every tensor and processes its share of each batch's rows; gradients are averaged over the
processes, so a step is that of the whole batch. The working state is saved in the same slices.
"""

import warnings

import torch
from torch import Tensor, nn

from jobs.group import Group
from moe.forward import Batch
from moe.layers import base_model, decoder_layers


def whole(tensor: Tensor) -> Tensor:
    """A sharded tensor gathered (all processes must call this); any other tensor unchanged."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def own_slice(value: object) -> object:
    """This process's slice of a sharded tensor, without a copy; anything else unchanged."""
    return value.to_local() if hasattr(value, "to_local") else value


def shard_(model: nn.Module, group: Group) -> None:
    """Shard `model` in place: its layers, the base model around them, its head. Parameters are new objects then.

    Base and head are separate roots, since the losses call them separately (moe/forward.py). Ends with one line if they
    share a tensor.
    """
    if group.size == 1:
        return
    head = model.get_output_embeddings()
    if head.weight is model.get_input_embeddings().weight:
        raise SystemExit("sharding: input and output embeddings are one tensor; train this model in one process")
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

    # Some base models return a view; nothing here writes into it.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor")
    mesh = init_device_mesh(group.device.type, (group.size,))
    policy = MixedPrecisionPolicy(reduce_dtype=torch.float32)  # averages of bf16 gradients would lose digits
    for block in decoder_layers(model)[1]:
        fully_shard(block, mesh=mesh, mp_policy=policy)
    for part in (base_model(model), head):
        fully_shard(part, mesh=mesh, mp_policy=policy)


def own_rows(batch: Batch, group: Group) -> Batch:
    """This process's rows of a batch; ends with one line if they cannot be divided evenly."""
    if len(batch.rows) % group.size:
        raise SystemExit(f"training: batch_size {len(batch.rows)} does not divide by {group.size} processes")
    cut = slice(group.rank, None, group.size)
    weights = None if batch.weights is None else batch.weights[cut]
    return Batch(batch.rows[cut], batch.input_ids[cut], batch.mask[cut], weights)


def reshard_(model: nn.Module) -> None:
    """Drop gathered copies, so that the next pass gathers the slices anew. Call it after writing to slices."""
    for module in model.modules():
        if hasattr(module, "reshard"):
            module.reshard()


def optimizer_slices(state: dict) -> dict:
    """An optimizer's `state_dict()` with this process's slices of its tensors."""
    numbers = {
        index: {key: own_slice(value) for key, value in entries.items()} for index, entries in state["state"].items()
    }
    return state | {"state": numbers}


@torch.no_grad()
def load_optimizer_slices(optimizer: torch.optim.Optimizer, state: dict, parameters: list[Tensor]) -> None:
    """Load the result of `optimizer_slices` into an optimizer of the same `parameters`."""

    def sharded(value: Tensor, like: Tensor) -> Tensor:
        if not hasattr(like, "to_local") or value.dim() == 0:  # the step count is not sharded
            return value
        tensor = torch.zeros_like(like)
        tensor.to_local().copy_(value)
        return tensor

    numbers = {
        index: {key: sharded(value, parameters[index]) for key, value in entries.items()}
        for index, entries in state["state"].items()
    }
    optimizer.load_state_dict(state | {"state": numbers})
