"""Expert attribution: how strongly each expert is used on the forget set (UOE, eq. 2).

Reads a model folder and the forget set; writes affinity.json: for each MoE layer and expert the mean gate score (per
sequence, then over sequences), the token share, and ESFT's two relevance scores.
    python workflow_scripts/attribute_experts.py --model MODEL --data DATA --benchmark '{...}' --training '{...}' \\
        --output affinity.json
"""

import argparse
import json
from pathlib import Path

import torch
from transformers import AutoTokenizer

from benchmarks.texts import forget_texts
from jobs import provenance
from jobs.files import write_json
from jobs.progress import progress
from moe.layers import MoELayer, find_moe_layers
from moe.loading import PRECISIONS, first_device, load_model
from moe.packing import batches, pack
from moe.routing import record_routing


@torch.no_grad()
def attribute(model: torch.nn.Module, layers: list[MoELayer], blocks: torch.Tensor, batch_size: int) -> dict:
    """Affinity over packed sequences `blocks [Z, L]`, as streaming sums.

    gate_score: s_i = 1/Z sum_j 1/L_j sum_t g_{i,t} (eq. 2). token_share: tokens with i in their top-K / tokens.
    relevance_token: token_share / K (sums to 1); relevance_gate: gate_score (arXiv 2407.01906, section 3.2).
    """
    scores = {n.index: torch.zeros(n.num_experts, dtype=torch.float64) for n in layers}
    shares = {n.index: torch.zeros(n.num_experts, dtype=torch.float64) for n in layers}
    with record_routing(model, layers) as routing:
        for batch in progress(batches(blocks, batch_size), "attribution", unit="batch"):
            model(input_ids=batch.input_ids, use_cache=False)
            rows, length = batch.input_ids.shape
            for layer in scores:
                gates = routing.gate_scores(layer).view(rows, length, -1).double()
                scores[layer] += gates.mean(1).sum(0).cpu()
                # Counted by the choices themselves: the score of one may round to 0.
                uses = torch.bincount(routing.top_k[layer].reshape(-1), minlength=gates.shape[-1])
                shares[layer] += uses.double().cpu() / length
    top_k = routing.top_k[layers[0].index].shape[-1]
    return {
        "top_k": top_k,
        "experts": layers[0].num_experts,
        "tokens": blocks.numel(),
        "sequences": len(blocks),
        "layers": {
            str(layer): {
                "gate_score": (scores[layer] / len(blocks)).tolist(),
                "token_share": (shares[layer] / len(blocks)).tolist(),
                "relevance_token": (shares[layer] / len(blocks) / top_k).tolist(),
                "relevance_gate": (scores[layer] / len(blocks)).tolist(),
            }
            for layer in scores
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--benchmark", required=True, type=json.loads, help="the benchmark's config block, as JSON")
    parser.add_argument("--training", required=True, type=json.loads, help="block_length, batch_size")
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    texts = forget_texts(args.benchmark, args.data)
    model = load_model(args.model, args.precision)
    layers = find_moe_layers(model)
    if not layers:
        raise SystemExit(f"{args.model}: no MoE layer; only a mixture-of-experts model can be attributed")
    blocks = pack(texts, AutoTokenizer.from_pretrained(args.model), args.training["block_length"])
    blocks = blocks.to(first_device(model))
    write_json(args.output, attribute(model, layers, blocks, args.training["batch_size"]))
    texts = provenance.files_named(args.benchmark, args.data)
    provenance.record(args.output, vars(args), [args.model, *texts], [args.output])


if __name__ == "__main__":
    main()
