"""Weights of the retain text's tokens after TRACE (arXiv 2606.10338), reconstructed.

TRACE finds the experts that forget text uses far more than retain text does, from routing recorded before training, and
reweights the token-level retain loss so that each of these experts is used by the retain text as often as by the forget
text: otherwise the retain loss hardly holds them. That is what its abstract says. The paper's text, code and numbers
were not available, so everything else here is this project's choice, and rows made with it are labelled
"reconstruction":

- **which experts** (unknown: score, threshold, how many): token share on forget text at least the uniform share K/E and
  at least `over` times the share on retain text; of these the `experts` largest differences, over all layers;
- **which weights** (unknown: formula, normalisation, clipping): those nearest to 1 that reach the forget frequencies,
  between 1/`clip` and `clip`, with mean one (moe/raking.py). A token's weight multiplies the loss of the prediction
  made at that token, since there its experts work; the last token of a block predicts nothing;
- **which loss** (unknown): any forget loss with a retain term, with any scope, each as a method block of the config;
- the weights are computed once, on the untouched model (the abstract says "offline"), and stay.

Reads a model folder, the forget and retain texts; writes token_weights.safetensors (`weights [blocks, T]`, for the
blocks in which unlearn.py packs the retain text) and token_weights.json: each critical expert's frequencies on forget
text, on retain text, on weighted retain text, and the residual left where no weights within the clip fit.
    python workflow_scripts/weigh_retain_tokens.py --model MODEL --data DATA --output token_weights.json \\
        --settings '{"benchmark": {...}, "batch_size": 4, "block_length": 128, "precision": "float32", "experts": 8,
                     "over": 1.5, "clip": 10}'
"""

import torch
from safetensors.torch import save_file

from benchmarks.texts import forget_texts, retain_texts
from jobs import provenance, stage
from jobs.files import replacing, sha256, write_json
from jobs.progress import progress
from moe import libraries
from moe.layers import MoELayer
from moe.loading import load_moe_model
from moe.packing import batches, pack_for
from moe.raking import forget_critical, rake
from moe.routing import record_routing, token_share

MATCHED = 1e-3  # a residual up to which a frequency counts as matched


@torch.no_grad()
def choices(model: torch.nn.Module, layers: list[MoELayer], blocks: torch.Tensor, size: int, what: str) -> dict:
    """Top-K indices of every token, by layer: `[blocks * T, K]` (int16, on the CPU)."""
    parts: dict[int, list[torch.Tensor]] = {layer.index: [] for layer in layers}
    with record_routing(model, layers) as routing:
        for batch in progress(batches(blocks, size), f"routing of {what} text"):
            model(input_ids=batch.input_ids, use_cache=False)
            for index, top_k in routing.top_k.items():
                parts[index].append(top_k.to("cpu", torch.int16))
    return {index: torch.cat(tensors) for index, tensors in parts.items()}


def weigh(
    model: torch.nn.Module,
    layers: list[MoELayer],
    forget: torch.Tensor,
    retain: torch.Tensor,
    size: int,
    settings: dict,
) -> tuple[torch.Tensor, dict]:
    """(weights `[blocks, T]` of the retain blocks, the record that token_weights.json holds)."""
    on_forget = choices(model, layers, forget, size, "forget")
    on_retain = choices(model, layers, retain, size, "retain")

    def shares(top_k: dict) -> dict[int, list[float]]:
        everything = torch.ones(len(next(iter(top_k.values()))), dtype=torch.bool)
        return {n.index: token_share(top_k[n.index].long(), n.num_experts, everything).tolist() for n in layers}

    forget_shares, retain_shares = shares(on_forget), shares(on_retain)
    uniform = on_retain[layers[0].index].shape[-1] / layers[0].num_experts
    limits = {key: settings[key] for key in ("experts", "over")}
    critical = forget_critical(forget_shares, retain_shares, uniform, **limits)
    weights = torch.ones(retain.numel(), dtype=torch.float64)
    uses = torch.zeros(retain.numel(), 0)
    if critical:
        uses = torch.stack([(on_retain[layer] == expert).any(-1) for layer, expert in critical], dim=1).double()
        targets = torch.tensor([forget_shares[layer][expert] for layer, expert in critical], dtype=torch.float64)
        weights = rake(uses, targets, settings["clip"])
    experts = []
    for place, (layer, expert) in enumerate(critical):
        weighted = float((weights * uses[:, place]).mean())
        wanted, before = forget_shares[layer][expert], retain_shares[layer][expert]
        experts.append(
            {"layer": layer, "expert": expert, "forget": wanted, "retain": before, "weighted": weighted}
            | {"residual": weighted - wanted, "matched": abs(weighted - wanted) <= MATCHED}
        )
    bounds = (1 / settings["clip"] * (1 + 1e-9), settings["clip"] * (1 - 1e-9))
    record = {
        "experts": experts,
        "settings": settings,
        "tokens": {"forget": forget.numel(), "retain": retain.numel()},
        "weights": {
            "least": float(weights.min()),
            "largest": float(weights.max()),
            "clipped": float(((weights <= bounds[0]) | (weights >= bounds[1])).double().mean()),
            "effective": float(weights.sum() ** 2 / weights.square().sum() / len(weights)),  # Kish's share of tokens
        },
    }
    return weights.float().view_as(retain), record


def main() -> None:
    args = stage.parser(__doc__, "settings", "model", "data", "threads", "output").parse_args()
    libraries.set_up(args.threads)
    settings = args.settings
    texts = [read(settings["benchmark"], args.data) for read in (forget_texts, retain_texts)]
    model, layers = load_moe_model(args.model, settings["precision"])
    blocks = pack_for(model, args.model, settings, *texts)
    limits = {key: settings[key] for key in ("experts", "over", "clip")}
    weights, record = weigh(model, layers, *blocks, settings["batch_size"], limits)
    file = args.output.with_suffix(".safetensors")
    with replacing(file) as temporary:
        save_file({"weights": weights.contiguous()}, temporary)
    write_json(args.output, record | {"sha256": sha256(file)})
    inputs = [args.model, *provenance.files_named(settings["benchmark"], args.data)]
    provenance.record(args.output, vars(args), inputs, [args.output, file])


if __name__ == "__main__":
    main()
