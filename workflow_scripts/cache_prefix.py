"""Cache what enters the target layer on a benchmark's texts, for all cells that train no layer below it.

Reads a model folder, the forget and retain texts and affinity.json; writes one safetensors file, hidden states and
token ids of every training block, which unlearn.py maps into memory (moe/upper_layers.py). Texts over the limit are
left out.
    python workflow_scripts/cache_prefix.py --model MODEL --data DATA --affinity affinity.json --limit-gb 8 \\
        --settings '{"benchmark": {...}, "batch_size": 4, "block_length": 128, "precision": "float32"}' \\
        --output prefix.safetensors
"""

import json
from pathlib import Path

from safetensors.torch import save_file
from transformers import AutoTokenizer

from benchmarks.texts import forget_texts, retain_texts
from jobs import provenance, stage
from jobs.files import read_json, replacing
from moe import libraries
from moe.delta import base_hash
from moe.loading import load_model
from moe.packing import pack
from moe.selection import ranked_layers
from moe.upper_layers import Reuse, reuse_prefix_


def main() -> None:
    parser = stage.parser(__doc__, "settings", "model", "data", "limit-gb", "threads", "output")
    parser.add_argument("--affinity", required=True, type=Path)
    args = parser.parse_args()
    libraries.set_up(args.threads)
    settings, benchmark = args.settings, args.settings["benchmark"]
    layer = ranked_layers(read_json(args.affinity))[0]
    texts = {"forget": forget_texts(benchmark, args.data), "retain": retain_texts(benchmark, args.data)}
    base = base_hash(args.model)
    model = load_model(args.model, settings["precision"])
    tokenizer = AutoTokenizer.from_pretrained(args.model)
    sets = {
        name: pack(text, tokenizer, settings["block_length"], settings.get("bos", False))
        for name, text in texts.items()
    }
    prefix = reuse_prefix_(model, layer, Reuse(1e9 * args.limit_gb), list(sets.values()), settings["batch_size"])
    if prefix:
        prefix.save(args.output, sets, base)
    else:  # the target layer is the first: there is nothing below it
        with replacing(args.output) as temporary:
            save_file({}, temporary, {"prefix": json.dumps({"base": base, "layer": layer, "sets": []})})
    inputs = [args.model, args.affinity, *provenance.files_named(benchmark, args.data)]
    provenance.record(args.output, vars(args), inputs, [args.output], base=base)


if __name__ == "__main__":
    main()
