"""The processes that train one model together, started by launch/shard.py: one per GPU, or on the CPU with gloo."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


class Group:
    """This process's view of the group; a group of one where shard.py did not start it.

    All processes must make the same calls in the same order. As a context manager it waits for the others on leaving.
    A SystemExit must be raised in all processes (or inside `fail_together`); only the first process prints it.
    """

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

    def __enter__(self) -> "Group":
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: object) -> None:
        if self.rank and isinstance(error, SystemExit):
            raise SystemExit(1) from None
        if self.size > 1 and error is None:
            torch.distributed.barrier()
            torch.distributed.destroy_process_group()

    def mean(self, values: dict[str, float | None]) -> dict[str, float | None]:
        """Mean over the processes, key by key; None stays None."""
        if self.size == 1:
            return values
        keys = [key for key, value in values.items() if value is not None]
        numbers = torch.tensor([values[key] for key in keys], dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(numbers)
        return values | dict(zip(keys, (numbers / self.size).tolist(), strict=True))

    def max(self, number: int) -> int:
        """Maximum over the processes."""
        if self.size == 1:
            return number
        tensor = torch.tensor([number], device=self.device)
        torch.distributed.all_reduce(tensor, torch.distributed.ReduceOp.MAX)
        return int(tensor.item())

    def gather(self, value: Any) -> list[Any]:
        """Each process's `value` (small), by rank."""
        values = [value] * self.size
        if self.size > 1:
            torch.distributed.all_gather_object(values, value)
        return values

    @contextmanager
    def fail_together(self) -> Iterator[None]:
        """A SystemExit in one process ends all: the first prints its message, the others end silently.

        Nothing inside may wait for another process after a point where one can fail.
        """
        problem = None
        try:
            yield
        except SystemExit as stop:
            if self.size == 1:
                raise
            problem = str(stop.code)
        problems = [text for text in self.gather(problem) if text is not None]
        if problems:
            raise SystemExit(1 if self.rank else problems[0])
