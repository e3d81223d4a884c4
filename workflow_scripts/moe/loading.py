"""Load a model folder for unlearning or evaluation: precision, device, and layers over several GPUs."""

from pathlib import Path

import torch
from accelerate.hooks import AlignDevicesHook, add_hook_to_module
from torch import nn
from transformers import AutoModelForCausalLM

from moe.layers import MoELayer, decoder_layers, find_moe_layers

PRECISIONS = ("float32", "bfloat16")


def load_model(folder: str | Path, precision: str = "float32", *, on_cpu: bool = False) -> nn.Module:
    """The model in evaluation mode, its weights in `precision`.

    On the CPU if there is no GPU; on the GPU; or, if a job has several, with its layers split over them (accelerate
    moves the hidden states between them, in training too). on_cpu: the caller shards or places it. Ends with one line
    if `folder` is not a model folder.
    """
    if not (Path(folder) / "config.json").is_file():
        raise SystemExit(f"{folder}: no config.json there; --model must be a Hugging Face model folder")
    if precision not in PRECISIONS:
        raise SystemExit(f"precision {precision!r} is unknown (allowed: {', '.join(PRECISIONS)})")
    gpus = 0 if on_cpu else torch.cuda.device_count()
    place = {"device_map": "balanced" if gpus > 1 else "cuda"} if gpus else {}
    return AutoModelForCausalLM.from_pretrained(folder, dtype=getattr(torch, precision), **place).eval()


def load_moe_model(folder: str | Path, precision: str) -> tuple[nn.Module, list[MoELayer]]:
    """The model and its MoE layers; ends with one line if it is dense."""
    model = load_model(folder, precision)
    layers = find_moe_layers(model)
    if not layers:
        raise SystemExit(f"{folder}: no MoE layer; a mixture-of-experts model is needed")
    return model, layers


def checkpoint_activations_(model: nn.Module) -> None:
    """Recompute each decoder layer's activations in the backward pass instead of keeping them.

    Non-reentrant, so that what hooks take out of a layer, such as the router's logits, stays in the graph. transformers
    checkpoints in training mode only; that mode is set on the decoder layers alone, which enables no dropout in them.
    """
    model.activation_checkpointing_enable({"use_reentrant": False})
    for block in decoder_layers(model)[1]:
        block.training = True


def first_device(model: nn.Module) -> torch.device:
    """The device for token ids: the embeddings', or the other layers' if the embeddings are offloaded (`place_`)."""
    weights = (model.get_input_embeddings().weight, *model.parameters())
    return next(weight.device for weight in weights if not weight.is_meta)


def place_(model: nn.Module, layer: int, device: torch.device) -> None:
    """Move a model to `device`, except for what lies below decoder layer `layer`.

    Embeddings and lower layers stay in the machine's memory. Each is moved to the device only while it runs, so texts
    whose hidden states are not cached can still be run.
    """
    embeddings, head = model.get_input_embeddings(), model.get_output_embeddings()
    tied = head is not None and head.weight is embeddings.weight
    below = [*([] if tied or not layer else [embeddings]), *decoder_layers(model)[1][:layer]]
    offloaded = {part for module in below for part in module.modules()}
    for module in model.modules():
        if not offloaded.intersection(module.modules()):
            module.to(device)
    for module in below:
        add_hook_to_module(module, AlignDevicesHook(device, offload=True, place_submodules=True))


def move_to_gpu_(model: nn.Module, layer: int) -> torch.device:
    """Move a model that is in the machine's memory to the GPU, if there is one, as `place_` does.

    layer: the lowest that trains. Returns the device for token ids.
    """
    if torch.cuda.is_available() and first_device(model).type == "cpu":
        place_(model, layer, torch.device("cuda"))
    return first_device(model)
