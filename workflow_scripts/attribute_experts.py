"""Expert attribution: how strongly each expert is used on the forget set (UOE, eq. 2).

Reads a model folder and the forget set; writes affinity.json: for each MoE layer and expert the mean gate score (per
sequence, then over sequences) and the token share.
    python workflow_scripts/attribute_experts.py --model MODEL --data DATA --output affinity.json \\
        --settings '{"benchmark": {...}, "batch_size": 4, "block_length": 128, "precision": "float32"}'
"""

from benchmarks.texts import forget_texts
from jobs import provenance, stage
from jobs.files import write_json
from moe import libraries
from moe.attribution import attribute
from moe.loading import load_moe_model
from moe.packing import pack_for


def main() -> None:
    args = stage.parser(__doc__, "settings", "model", "data", "threads", "output").parse_args()
    libraries.set_up(args.threads)
    settings = args.settings
    texts = forget_texts(settings["benchmark"], args.data)
    model, layers = load_moe_model(args.model, settings["precision"])
    [blocks] = pack_for(model, args.model, settings, texts)
    write_json(args.output, attribute(model, layers, blocks, settings["batch_size"]))
    inputs = [args.model, *provenance.files_named(settings["benchmark"], args.data)]
    provenance.record(args.output, vars(args), inputs, [args.output])


if __name__ == "__main__":
    main()
