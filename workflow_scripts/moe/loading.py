"""Load a model folder for unlearning or evaluation: precision, device, and layers over several GPUs."""

from pathlib import Path

import torch
from torch import nn
from transformers import AutoModelForCausalLM

from moe.layers import decoder_layers

PRECISIONS = ("float32", "bfloat16")


def load_model(folder: str | Path, precision: str = "float32", *, on_cpu: bool = False) -> nn.Module:
    """The model in evaluation mode, its weights in `precision`.

    On the CPU without a GPU; on the GPU; or, where a job was given several, with its layers split over them (accelerate
    moves the hidden states between them, in training too). on_cpu: to be sharded by the caller. Ends with one line if
    `folder` is no model folder.
    """
    if not (Path(folder) / "config.json").is_file():
        raise SystemExit(f"{folder}: no config.json there; --model must be a Hugging Face model folder")
    if precision not in PRECISIONS:
        raise SystemExit(f"precision {precision!r} is none of {', '.join(PRECISIONS)}")
    gpus = 0 if on_cpu else torch.cuda.device_count()
    place = {"device_map": "balanced" if gpus > 1 else "cuda"} if gpus else {}
    return AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, precision), **place).eval()


def checkpoint_activations_(model: nn.Module) -> None:
    """Recompute each decoder layer's activations in the backward pass instead of keeping them.

    Without reentrance: then what hooks took out of a layer, as the router's logits, stays in the graph. transformers
    does so in training mode only, which is set on the decoder layers alone: no dropout inside them is switched on.
    """
    model.activation_checkpointing_enable({"use_reentrant": False})
    for block in decoder_layers(model)[1]:
        block.training = True


def first_device(model: nn.Module) -> torch.device:
    """Where token ids belong."""
    return model.get_input_embeddings().weight.device
