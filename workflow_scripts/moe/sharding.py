"""Train what does not fit one GPU: parameters, gradients and Adam's state sharded over processes (FSDP2).

Each process holds a slice of every tensor and takes its share of each batch's rows; gradients are averaged over the
processes, so a step is that of the whole batch. Started by torchrun (one process a GPU, or CPU processes with gloo).
"""

import os

import torch
from torch import Tensor, nn

from moe.forward import Batch
from moe.layers import base_model, decoder_layers


def whole(tensor: Tensor) -> Tensor:
    """A sharded tensor as an ordinary one (every process must ask); an ordinary one as it is."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


class Group:
    """The processes that train one cell; a single one where torchrun did not start this."""

    def __init__(self) -> None:
        self.size = int(os.environ.get("WORLD_SIZE", "1"))
        self.rank = int(os.environ.get("RANK", "0"))
        self.device: torch.device | None = None
        if self.size > 1:
            gpu = torch.cuda.is_available()
            self.device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if gpu else torch.device("cpu")
            if gpu:
                torch.cuda.set_device(self.device)
            torch.distributed.init_process_group("nccl" if gpu else "gloo")

    def shard_(self, model: nn.Module) -> None:
        """Shard `model` in place: its layers, the base model around them, its head. Parameters are new objects then.

        Base and head are roots of their own, since the losses call them one after the other (moe/forward.py). Ends with
        one line where they share a tensor.
        """
        if self.size == 1:
            return
        head = model.get_output_embeddings()
        if head.weight is model.get_input_embeddings().weight:
            raise SystemExit("sharding: input and output embeddings are one tensor; train this model in one process")
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

        mesh = init_device_mesh(self.device.type, (self.size,))
        policy = MixedPrecisionPolicy(reduce_dtype=torch.float32)  # averages of bf16 gradients would lose digits
        for block in decoder_layers(model)[1]:
            fully_shard(block, mesh=mesh, mp_policy=policy)
        for part in (base_model(model), head):
            fully_shard(part, mesh=mesh, mp_policy=policy)

    def own(self, batch: Batch) -> Batch:
        """This process's rows of a batch; ends with one line if they can't be dealt out evenly."""
        if len(batch.rows) % self.size:
            raise SystemExit(f"training: batch_size {len(batch.rows)} does not divide by {self.size} processes")
        cut = slice(self.rank, None, self.size)
        weights = None if batch.weights is None else batch.weights[cut]
        return Batch(batch.rows[cut], batch.input_ids[cut], batch.mask[cut], weights)

    def mean(self, values: dict[str, float | None]) -> dict[str, float | None]:
        """Means over the processes, key by key; None stays None."""
        if self.size == 1:
            return values
        found = [key for key, value in values.items() if value is not None]
        numbers = torch.tensor([values[key] for key in found], dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(numbers)
        return values | dict(zip(found, (numbers / self.size).tolist(), strict=True))

    def close(self) -> None:
        if self.size > 1:
            torch.distributed.barrier()
            torch.distributed.destroy_process_group()
