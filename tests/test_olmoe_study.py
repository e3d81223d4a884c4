"""A study that tunes on a released model: one cell of config/olmoe.yaml on a miniature."""

from mini_study import project, snakemake

from jobs.files import read_json


def test_a_cell_from_its_trials(tmp_path):
    """Three learning rates are tried on the tuning seed, on the one copy of the model that all seeds share."""
    cell = "olmoe-1b-7b/wmdp-cyber/ga/uoe"
    target = f"results/olmoe/cells/{cell}/seed-0/chosen.json"
    folder = project(tmp_path)
    result = snakemake(folder, target, "--quiet", "rules", study=("config/olmoe.yaml", "small.yaml"))
    assert result.returncode == 0, result.stdout + result.stderr
    root = folder / "results/olmoe"
    tried = read_json(root / "tuning/olmoe-1b-7b/ga/uoe.json")["tried"]
    assert [trial["learning_rate"] for trial in tried] == [3e-5, 1e-4, 3e-4]
    assert [path.name for path in (root / "models/olmoe-1b-7b").iterdir()] == ["seed-0"]
    manifest = read_json(root / "cells" / cell / "seed-0/manifest.json")
    assert manifest["seed"] == 0 and manifest["learning_rate"] in (3e-5, 1e-4, 3e-4)
