"""Names of the files in the folder of a cell, and its checkpoints' steps; planning.layout says where the folder lies.

On their own, so that a new path elsewhere in the layout re-runs no cell. Standard library only.
"""

CHECKPOINTS = "checkpoints"
MANIFEST = "manifest.json"
TRAJECTORY = "trajectory.json"
PARAMETERS = "parameters.json"
RECORDS = (MANIFEST, TRAJECTORY, PARAMETERS)  # what unlearning writes beside the checkpoints
METRICS = "metrics.json"
PREDICTIONS = "predictions.jsonl.gz"
CHOSEN = "chosen.json"


def checkpoint(step: int) -> str:
    """Name of a checkpoint's file."""
    return f"step-{step:04d}.safetensors"


def checkpoint_steps(training: dict) -> list[int]:
    """Steps after which a run is saved: 1, then each `checkpoint_growth` times the one before (but at least one more),
    and the last."""
    steps = [1]
    while steps[-1] < training["steps"]:
        steps.append(min(max(steps[-1] + 1, round(steps[-1] * training["checkpoint_growth"])), training["steps"]))
    return steps
