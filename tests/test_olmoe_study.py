"""A study that tunes on a released model: one cell of config/olmoe.yaml on a miniature."""

from mini_study import project, snakemake

from jobs.files import read_json


def test_a_cell_from_its_tuning(tmp_path):
    """The tuning seed shares the one copy of the model. The miniature knows nothing, so no trial can be compared: the
    first one's settings are taken, which the record says."""
    cell = "olmoe-1b-7b/wmdp-cyber/ga/uoe"
    target = f"results/olmoe/cells/{cell}/seed-0/chosen.json"
    folder = project(tmp_path)
    result = snakemake(folder, target, "--quiet", "rules", study=("config/olmoe.yaml", "small.yaml"))
    assert result.returncode == 0, result.stdout + result.stderr
    root = folder / "results/olmoe"
    tuned = read_json(root / "tuning/olmoe-1b-7b/wmdp-cyber/ga/uoe.json")
    assert tuned["chosen"] == {"learning_rate": 1e-4} and not tuned["tried"]
    assert "nothing measurable" in tuned["note"] and "nothing was tried" in tuned["note"]
    assert [path.name for path in (root / "models/olmoe-1b-7b").iterdir()] == ["seed-0"]
    manifest = read_json(root / "cells" / cell / "seed-0/manifest.json")
    assert manifest["seed"] == 0 and manifest["learning_rate"] == 1e-4
