"""Keep what enters the target layer on a benchmark's texts, for all cells that train no layer below it.

Reads a model folder, the forget and retain texts and affinity.json; writes one safetensors file, hidden states and
token ids of every training block, which unlearn.py maps into memory (moe/upper_layers.py). Texts over the limit are left out.
    python workflow_scripts/cache_prefix.py --model MODEL --data DATA --benchmark '{...}' --affinity affinity.json \\
        --training '{"batch_size": 4, "block_length": 128}' --limit-gb 8 --output prefix.safetensors
"""

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import AutoTokenizer

from benchmarks.texts import forget_texts, retain_texts
from jobs import provenance
from jobs.files import read_json
from moe.delta import base_hash
from moe.loading import PRECISIONS, load_model
from moe.packing import pack
from moe.selection import ranked_layers
from moe.upper_layers import Reuse, reuse_prefix_


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True, type=Path)
    parser.add_argument("--data", required=True, type=Path)
    parser.add_argument("--benchmark", required=True, type=json.loads, help="the benchmark's config block, as JSON")
    parser.add_argument("--affinity", required=True, type=Path)
    parser.add_argument("--training", required=True, type=json.loads, help="block_length, batch_size")
    parser.add_argument("--limit-gb", required=True, type=float)
    parser.add_argument("--precision", choices=PRECISIONS, default="float32")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", required=True, type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    layer = ranked_layers(read_json(args.affinity))[0]
    texts = {"forget": forget_texts(args.benchmark, args.data), "retain": retain_texts(args.benchmark, args.data)}
    base = base_hash(args.model)
    model = load_model(args.model, args.precision)
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    sets = {name: pack(found, tokenizer, args.training["block_length"]) for name, found in texts.items()}
    size = args.training["batch_size"]
    prefix = reuse_prefix_(model, layer, Reuse(1e9 * args.limit_gb), list(sets.values()), size)
    args.output.parent.mkdir(parents=True, exist_ok=True)
    if prefix:
        prefix.save(args.output, sets, base)
    else:  # the target layer is the first: nothing lies below it
        save_file({}, args.output, {"prefix": json.dumps({"base": base, "layer": layer, "sets": []})})
    read = [args.model, args.affinity, *provenance.files_named(args.benchmark, args.data)]
    provenance.record(args.output, vars(args), read, [args.output], base=base)


if __name__ == "__main__":
    main()
