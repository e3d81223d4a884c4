"""A cell sharded over two processes (FSDP2, gloo on the CPU) against one process, through the stage's command line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import mini_hub
import pytest
import torch
from safetensors.torch import load_file
from stub_project import ROOT

TRAINING = {"batch_size": 4, "block_length": 32, "steps": 3, "checkpoint_growth": 2, "probe_every": 3}
TRAINING |= {"probe_blocks": 2, "rows_at_once": 1}
BENCHMARK = {"name": "b", "forget": "forget.jsonl", "retain": "retain.jsonl"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("sharding")
    mini_hub.write_model(root / "model", mini_hub.QWEN)
    for name, seed in (("forget", 1), ("retain", 2)):
        rows = [json.dumps({"text": text}) for text in mini_hub.texts(40, 60, seed)]
        (root / f"{name}.jsonl").write_text("\n".join(rows))
    (root / "none.json").write_text(json.dumps({"experts": {}, "routers": [], "anchor": {}}))
    return root


def unlearn(folder: Path, output: str, processes: int, precision: str, **training: object) -> Path:
    start = [sys.executable]
    if processes > 1:
        start += [ROOT / "workflow_scripts/launch/shard.py", str(processes)]
    settings = {"benchmark": BENCHMARK, "method": {"name": "gdiff", "retain_weight": 1.0}, "learning_rate": 1e-3}
    settings |= {"scope": {"kind": "baseline"}, "training": TRAINING | {"precision": precision} | training}
    words = ["--settings", json.dumps(settings), "--model", folder / "model", "--data", folder]
    words += ["--selection", folder / "none.json", "--seed", "0", "--output", folder / output]
    command = [*start, ROOT / "workflow_scripts/unlearn.py", *words]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    result = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=150, env=environment)
    assert result.returncode == 0, result.stderr
    return folder / output


def losses(output: Path) -> torch.Tensor:
    steps = json.loads((output / "trajectory.json").read_text())["steps"]
    return torch.tensor([[step[key] for key in ("forget_loss", "retain_loss", "gradient_norm")] for step in steps])


def test_two_processes_are_one(folder):
    """In fp32 the same numbers, sums being taken in another order: losses to 1e-5, weights to 5e-5 after three steps of
    Adam, whose first steps have the size of the rate (1e-3) whatever the gradient's."""
    one, two = (unlearn(folder, name, n, "float32") for name, n in (("one", 1), ("two", 2)))
    assert torch.allclose(losses(one), losses(two), rtol=1e-5, atol=1e-5)
    ours, theirs = (load_file(path / "checkpoints/step-0003.safetensors") for path in (two, one))
    assert ours.keys() == theirs.keys() and len(ours) > 50
    assert max((ours[name] - theirs[name]).abs().max().item() for name in ours) < 5e-5
    manifest = json.loads((two / "manifest.json").read_text())
    assert (manifest["processes"], manifest["effective_batch"]) == (2, 4)
    assert json.loads((two / "parameters.json").read_text()) == json.loads((one / "parameters.json").read_text())
    assert not (two / "state").exists()


def test_bf16_with_recomputed_layers(folder):
    """bf16 rounds to three digits; what matters is that the sharded fp32 copies move the model."""
    output = unlearn(folder, "bf16", 2, "bfloat16", gradient_checkpointing=True)
    assert torch.allclose(losses(output)[0], losses(folder / "one")[0], rtol=5e-2)
    tensors = load_file(output / "checkpoints/step-0003.safetensors")
    assert {tensor.dtype for tensor in tensors.values()} == {torch.bfloat16}
