"""Cells of config/paper.yaml from download to choice, on miniature folders in the hub's layout, given by `path:` alone.

The real Snakefile, rules and stages run; only sizes are overridden (blocks of 32 tokens, two steps), since the
miniatures' texts are short. What is asserted afterwards is read from the files of the study.
"""

import gzip
import json
import shutil
from pathlib import Path

import pytest
import torch
import transformers
import yaml
from mini_hub import DEEPSEEK, MIXTRAL, QWEN
from mini_study import project, snakemake
from records import unrecorded
from safetensors import safe_open

from benchmarks.halves import HALVES
from jobs.files import read_json
from moe.delta import applied, base_hash

# One of the scopes that train over 10 % of the weights is sharded over processes here, too.
ONE_PROCESS = {
    "scopes": {"baseline": {"processes": 1}, "experts": {"processes": 1}, "experts-routers": {"processes": 2}},
    "attacks": {"gcg": {"probes": 3, "parts": 2, "steps": 2, "width": 4, "top_k": 8}},
}
PAPER = ("config/paper.yaml", "small.yaml", "one_process.yaml")
# Every method, every kind of scope, every model and both benchmarks at least once.
CELLS = [
    *(f"{QWEN}/wmdp-cyber/ga/{scope}" for scope in ("baseline", "routers", "esft", "uoe")),
    f"{QWEN}/wmdp-cyber/gdiff/uoe", f"{QWEN}/rwku/npo/baseline", f"{QWEN}/wmdp-cyber/rmu/baseline",
    f"{QWEN}/rwku/rmu/random-draw-2",
    *(f"{DEEPSEEK}/wmdp-cyber/ga/{scope}" for scope in ("experts", "experts-routers", "uoe-all-layers")),
    f"{DEEPSEEK}/rwku/rmu/uoe", f"{MIXTRAL}/rwku/ga/lora", "llama-3-8b/wmdp-cyber/rmu/baseline",
    "phi-3.5-mini/wmdp-cyber/gdiff/baseline",
]  # fmt: skip
EXPORTED = [f"{QWEN}/wmdp-cyber/ga/uoe", f"{MIXTRAL}/rwku/ga/lora"]
ATTACKED = f"{DEEPSEEK}/rwku/rmu/uoe"
TARGETS = [
    f"results/paper/cells/{ATTACKED}/seed-0/attacks/gcg.json",
    *(f"results/paper/cells/{cell}/seed-0/chosen.json" for cell in CELLS),
    *(f"results/paper/exports/{cell}/seed-0" for cell in EXPORTED),
]


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    """A copy of the project whose cells above are complete."""
    folder = project(tmp_path_factory.mktemp("paper"))
    (folder / "one_process.yaml").write_text(yaml.safe_dump(ONE_PROCESS))
    result = snakemake(folder, *TARGETS, "--quiet", "rules", study=PAPER)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "missing source" not in result.stderr  # every source has a path
    return folder / "results/paper"


def test_every_cell_is_chosen_and_tested(built):
    for cell in CELLS:
        folder = built / "cells" / cell / "seed-0"
        chosen = read_json(folder / "chosen.json")
        assert set(chosen) == {"balance", "at_forget_accuracy", "as_published", "curve"}, cell
        benchmark = cell.split("/")[1]
        shown = chosen["balance"]
        assert shown["ut"]["n"] == 20 and sum(shown["ut"]["answers"]) == 20, cell  # MMLU's whole test
        if benchmark == "rwku":
            parts = shown["extra"]
            assert {"level1", "level2", "rouge_score_recall", "mean_over_probes", "mean_over_subjects"} <= set(parts)
            assert shown["fa"]["value"] == pytest.approx((parts["level1"]["value"] + parts["level2"]["value"]) / 2)
            assert parts["neighbours"]["n"] > 0
        metrics = read_json(folder / "metrics.json")["checkpoints"]
        assert [entry["step"] for entry in metrics] == [2]  # a miniature knows nothing that could fall
        left = {int(path.stem[5:]) for path in (folder / "checkpoints").glob("*.safetensors")}
        assert left == {2}, cell  # what was not scored is gone
        (scored,) = metrics
        assert set(scored["utility"]["all"]["by_subject"]) == {"world_religions", "anatomy"}
        subjects = [score["value"] for score in scored["utility"]["all"]["by_subject"].values()]
        assert scored["utility"]["all"]["macro"] == pytest.approx(sum(subjects) / 2)
        assert sum(scored["utility"][half]["n"] for half in HALVES) == 20


def test_questions_are_attacked_in_parts(built):
    folder = built / "cells" / ATTACKED / "seed-0/attacks"
    parts = [read_json(folder / f"gcg/suffixes-{part}.json")["suffixes"] for part in (0, 1)]
    record = read_json(folder / "gcg.json")
    assert sorted(one["query"] for part in parts for one in part) == sorted(one["query"] for one in record["probes"])
    assert [len(part) for part in parts] == [2, 1] and record["attack"]["target"] == "Sure, here is the answer:"
    assert record["loss"]["last"] <= record["loss"]["first"] and len(record["affinity"]) == 1
    assert not list((built / "state").rglob("state.pt"))


def test_every_file_is_on_record(built):
    """From the downloads to the exported models: whoever finds a file can ask what made it."""
    assert unrecorded(built) == []
    record = read_json(built / "exports" / EXPORTED[0] / "seed-0/provenance/unlearning.json")
    cell = f"results/paper/cells/{EXPORTED[0]}/seed-0"
    step = read_json(built / "exports" / EXPORTED[0] / "seed-0/unlearning.json")["step"]
    assert {f"{cell}/chosen.json", f"{cell}/checkpoints/step-{step:04d}.safetensors"} <= set(record["inputs"])
    assert f"results/paper/models/{QWEN}/seed-0/source.json" in record["inputs"] and record["seed"] == 0


def test_settings_are_the_papers(built):
    def manifest(cell: str) -> dict:
        return read_json(built / "cells" / cell / "seed-0/manifest.json")

    full, one = manifest(f"{QWEN}/wmdp-cyber/ga/baseline"), manifest(f"{QWEN}/wmdp-cyber/ga/uoe")
    assert (full["learning_rate"], full["training"]["batch_size"]) == (5e-5, 4)
    assert (one["learning_rate"], one["training"]["batch_size"]) == (1e-4, 16)
    sharded = manifest(f"{DEEPSEEK}/wmdp-cyber/ga/experts-routers")
    assert (full["processes"], sharded["processes"], sharded["effective_batch"]) == (1, 2, 4)
    assert manifest(f"{QWEN}/rwku/npo/baseline")["method"]["beta"] == 0.001
    steering = {cell: manifest(cell)["method"]["steering"] for cell in CELLS if "/rmu/" in cell}
    assert steering == {
        f"{QWEN}/wmdp-cyber/rmu/baseline": 3000.0,
        f"{QWEN}/rwku/rmu/random-draw-2": 8000.0,
        f"{DEEPSEEK}/rwku/rmu/uoe": 32000.0,
        "llama-3-8b/wmdp-cyber/rmu/baseline": 6.5,
    }


def test_real_layouts_are_read_back_as_bf16_and_trained(built):
    """Deltas of every kind of scope change the model they were made for; its files are the shards of the release."""
    for cell in CELLS:
        model_folder = built / "models" / cell.split("/")[0] / "seed-0"
        assert len(list(model_folder.glob("model-*.safetensors"))) > 1
        path = built / "cells" / cell / "seed-0/checkpoints/step-0002.safetensors"
        model = transformers.AutoModelForCausalLM.from_pretrained(model_folder, dtype=torch.bfloat16)
        before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
        with applied(model, path, base_hash(model_folder)):
            changed = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
        assert changed, cell
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    names = read_json(built / "models" / QWEN / "seed-0/model.safetensors.index.json")["weight_map"]
    assert "model.layers.3.mlp.experts.5.down_proj.weight" in names


def test_probes_are_asked_in_the_chat_format(built):
    with gzip.open(built / "cells" / f"{QWEN}/rwku/npo/baseline/seed-0/predictions.jsonl.gz", "rt") as file:
        answers = [json.loads(row) for row in file]
    texts = [row["text"] for row in answers if row["test"] == "forget"]
    assert texts and all("\n" not in text and "<|" not in text for text in texts)


def test_a_changed_shard_is_refused_by_name(built, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(built / "models" / QWEN / "seed-0", folder)  # the links' targets
    shard = sorted(folder.glob("model-*.safetensors"))[1]
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    with pytest.raises(SystemExit, match=rf"{shard.name}: is not the file that was fetched"):
        base_hash(folder)


@pytest.mark.parametrize("cell", EXPORTED)
def test_an_exported_model_needs_nothing_of_ours(built, cell):
    """Loaded by transformers alone it gives the very logits of the delta on its base; weights lie as in the release."""
    folder, base = built / "exports" / cell / "seed-0", built / "models" / cell.split("/")[0] / "seed-0"
    exported = transformers.AutoModelForCausalLM.from_pretrained(folder)
    words = transformers.AutoTokenizer.from_pretrained(folder)
    ids = words("the server reads a packet", return_tensors="pt")["input_ids"]
    ours = transformers.AutoModelForCausalLM.from_pretrained(base)
    record = read_json(folder / "unlearning.json")
    delta = built / "cells" / cell / f"seed-0/checkpoints/step-{record['step']:04d}.safetensors"
    with torch.no_grad():
        untouched = ours(ids).logits
        with applied(ours, delta, base_hash(base)):
            wanted = ours(ids).logits
        assert torch.equal(exported(ids).logits, wanted) and not torch.equal(wanted, untouched)
    names = set(safe_open(folder / "model.safetensors", "pt").keys())
    layout = read_json(base / "model.safetensors.index.json")["weight_map"]
    assert names == set(layout)


def test_a_real_model_again_plans_nothing(built):
    result = snakemake(built.parent.parent, "-n", *TARGETS, study=PAPER)
    assert result.returncode == 0 and "Nothing to be done" in result.stdout + result.stderr, result.stdout
