"""The file that cache_prefix.py writes for all cells of a target layer."""

import json

import pytest
import torch
from safetensors.torch import save_file
from test_unlearn import options
from test_upper_layers import TEXTS, TRAINING, blocks, rows_run, run, uoe
from tiny_models import LetterTokenizer, tiny

import cache_prefix
from jobs.files import write_jsonl
from moe.delta import base_hash
from moe.forward import final_hidden
from moe.packing import batches, pack
from moe.upper_layers import Reuse, reuse_prefix_


@pytest.fixture
def file(tmp_path):
    prefix = reuse_prefix_(tiny("olmoe", 1), 2, Reuse(), [blocks(0), blocks(1)], 3)
    prefix.save(tmp_path / "prefix.safetensors", {"forget": blocks(0), "retain": blocks(1)}, "abc")
    return tmp_path / "prefix.safetensors"


def test_a_run_on_it_has_the_same_bits_and_runs_no_lower_layer(file):
    model = tiny("olmoe", 1)
    selection, seen = uoe(model), rows_run(model, [0])
    with_file = run(model, "gdiff", selection=selection, reuse=Reuse(0, file, "abc"))
    without = run(tiny("olmoe", 1), "gdiff", selection=selection)
    assert json.dumps(with_file[0]) == json.dumps(without[0])
    assert all(torch.equal(tensor, without[1][name]) for name, tensor in with_file[1].items())
    assert seen == {0: 4}  # the first probe


def test_the_script_writes_what_a_run_would_compute(tmp_path, monkeypatch):
    folder = tmp_path / "model"
    tiny("olmoe", 1).save_pretrained(folder)
    monkeypatch.setattr(cache_prefix.AutoTokenizer, "from_pretrained", lambda path: LetterTokenizer())
    for name, texts in zip(("forget", "retain"), TEXTS, strict=True):
        write_jsonl(
            tmp_path / f"{name}.jsonl", [{"text": text * 3} for text in texts]
        )  # retained ones need 100 letters
    layers = {str(layer): {"gate_score": [0.1, 0.3 if layer == 2 else 0.2]} for layer in range(3)}
    (tmp_path / "affinity.json").write_text(json.dumps({"layers": layers}))
    settings = {"benchmark": {"forget": "forget.jsonl", "retain": "retain.jsonl"}, "precision": "float32"}
    settings |= {key: TRAINING[key] for key in ("batch_size", "block_length")}
    given = {"model": folder, "data": tmp_path, "settings": json.dumps(settings), "limit-gb": 1}
    given |= {"affinity": tmp_path / "affinity.json", "output": tmp_path / "prefix.safetensors"}
    monkeypatch.setattr("sys.argv", ["cache_prefix.py", *options(given)])
    cache_prefix.main()
    model = tiny("olmoe", 1)
    seen = rows_run(model, [0])
    prefix = reuse_prefix_(model, 2, Reuse(0, given["output"], base_hash(folder)), [], 3)
    for texts in TEXTS:
        batch = batches(pack([text * 3 for text in texts], LetterTokenizer(), 16), 3)[0]
        with torch.no_grad():
            kept = final_hidden(model, batch.input_ids)
            assert torch.equal(kept, final_hidden(tiny("olmoe", 1), batch.input_ids))
    assert prefix.known and seen == {0: 0}


def test_another_layers_run_computes_its_own(file):
    model = tiny("olmoe", 1)
    selection = uoe(model, [1])
    ours = run(model, selection=selection, reuse=Reuse(file=file, base="abc"))
    assert json.dumps(ours[0]) == json.dumps(run(tiny("olmoe", 1), selection=selection)[0])


def test_complete_where_it_holds_every_text(file, tmp_path):
    assert Reuse(file=file).complete() and not Reuse().complete()
    partial = tmp_path / "partial.safetensors"
    save_file({}, partial, {"prefix": json.dumps({"base": "abc", "layer": 2, "sets": []})})
    assert not Reuse(file=partial).complete()


def test_other_weights_are_refused(file):
    with pytest.raises(SystemExit, match=r"prefix.safetensors: made from other weights") as stop:
        reuse_prefix_(tiny("olmoe", 1), 2, Reuse(file=file, base="xyz"), [], 3)
    assert "\n" not in stop.value.code
