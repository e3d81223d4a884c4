"""Names of the files in the folder of a cell or a trial; planning.layout says where the folder lies.

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
