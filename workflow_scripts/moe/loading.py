"""Load a model folder for unlearning or evaluation: precision, device, and layers over several GPUs."""

from pathlib import Path

import torch
from accelerate.hooks import AlignDevicesHook, add_hook_to_module
from torch import nn
from transformers import AutoModelForCausalLM

from moe.layers import decoder_layers

PRECISIONS = ("float32", "bfloat16")


def load_model(folder: str | Path, precision: str = "float32", *, on_cpu: bool = False) -> nn.Module:
    """The model in evaluation mode, its weights in `precision`.

    On the CPU without a GPU; on the GPU; or, where a job was given several, with its layers split over them (accelerate
    moves the hidden states between them, in training too). on_cpu: to be sharded or placed by the caller. Ends with one
    line if `folder` is no model folder.
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
    """Where token ids belong: at the embeddings, or where these wait elsewhere (`place_`), at the layers that stay."""
    weights = (model.get_input_embeddings().weight, *model.parameters())
    return next(weight.device for weight in weights if not weight.is_meta)


def place_(model: nn.Module, layer: int, device: torch.device) -> None:
    """Move a model to `device`, but for what lies below decoder layer `layer`.

    Embeddings and lower layers stay in the machine's memory. Each comes to the device by itself while it runs, so that
    texts whose hidden states are not kept can still be run.
    """
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    tied = head is not None and head.weight is embeddings.weight
    below = [*([] if tied or not layer else [embeddings]), *decoder_layers(model)[1][:layer]]
    waiting = {part for module in below for part in module.modules()}
    for module in model.modules():
        if not waiting.intersection(module.modules()):
            module.to(device)
    for module in below:
        add_hook_to_module(module, AlignDevicesHook(device, offload=True, place_submodules=True))


def move_to_gpu_(model: nn.Module, layer: int) -> torch.device:
    """Bring a model that waits in the machine's memory to the GPU, where there is one, as `place_` does.

    layer: the lowest that trains. Returns where token ids belong.
    """
    if torch.cuda.is_available() and first_device(model).type == "cpu":
        place_(model, layer, torch.device("cuda"))
    return first_device(model)
