"""Load a model folder for unlearning or evaluation: precision, device, and layers over several GPUs."""

from pathlib import Path

import torch
from torch import nn
from transformers import AutoModelForCausalLM

PRECISIONS = ("float32", "bfloat16")


def load_model(folder: str | Path, precision: str = "float32") -> nn.Module:
    """The model in evaluation mode, its weights in `precision`.

    On the CPU without a GPU; on the GPU; or, where a job was given several, with its layers split over them (accelerate
    moves the hidden states between them, in training too). Ends with one line if `folder` is no model folder.
    """
    if not (Path(folder) / "config.json").is_file():
        raise SystemExit(f"{folder}: no config.json there; --model must be a Hugging Face model folder")
    if precision not in PRECISIONS:
        raise SystemExit(f"precision {precision!r} is none of {', '.join(PRECISIONS)}")
    gpus = torch.cuda.device_count()
    place = {"device_map": "balanced" if gpus > 1 else "cuda"} if gpus else {}
    return AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, precision), **place).eval()


def first_device(model: nn.Module) -> torch.device:
    """Where token ids belong."""
    return model.get_input_embeddings().weight.device
