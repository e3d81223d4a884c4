"""The processes that train one model together, started by shard.py: one a GPU, or on the CPU with gloo."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


class Group:
    """This process among them; alone where shard.py did not start it. Every process makes the same calls, in one order.

    A context manager: on leaving, it waits for the others. Where a SystemExit ends it, which is to be the same in all
    processes (or to come through `together`), the first process alone says why.
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
        """Means over the processes, key by key; None stays None."""
        if self.size == 1:
            return values
        found = [key for key, value in values.items() if value is not None]
        numbers = torch.tensor([values[key] for key in found], dtype=torch.float64, device=self.device)
        torch.distributed.all_reduce(numbers)
        return values | dict(zip(found, (numbers / self.size).tolist(), strict=True))

    def largest(self, number: int) -> int:
        """The largest number that a process says."""
        if self.size == 1:
            return number
        found = torch.tensor([number], device=self.device)
        torch.distributed.all_reduce(found, torch.distributed.ReduceOp.MAX)
        return int(found.item())

    def said(self, value: Any) -> list[Any]:
        """What each process says (small values), in order of rank."""
        values = [value] * self.size
        if self.size > 1:
            torch.distributed.all_gather_object(values, value)
        return values

    @contextmanager
    def together(self) -> Iterator[None]:
        """What stops one process here stops all: the first process says the one line, the others end silently.

        Inside nothing may wait for another process once a process can have stopped.
        """
        problem = None
        try:
            yield
        except SystemExit as stop:
            if self.size == 1:
                raise
            problem = str(stop.code)
        problems = [text for text in self.said(problem) if text is not None]
        if problems:
            raise SystemExit(1 if self.rank else problems[0])
