"""Count the bytes of tensors that exist while code runs, as a GPU's allocator would have to hold them."""

import weakref

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


class LiveBytes(TorchDispatchMode):
    """Bytes of all storages made inside the block: `now`, and `peak` at most. What was there before is not counted.

    An operation's output is new where none of its inputs lies in the same memory. Buffers inside a kernel are not seen.
    """

    def __init__(self):
        super().__init__()
        self.now = self.peak = 0
        self.seen: set[int] = set()

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        for storage in self._storages((args, kwargs)):
            self._remember(storage, counted=False)
        output = func(*args, **(kwargs or {}))
        for storage in self._storages(output):
            self._remember(storage, counted=True)
        return output

    @staticmethod
    def _storages(tree) -> list:
        return [x.untyped_storage() for x in tree_leaves(tree) if isinstance(x, torch.Tensor) and not x.is_meta]

    def _remember(self, storage, counted: bool) -> None:
        key = storage._cdata
        if key in self.seen:
            return
        self.seen.add(key)
        size = storage.nbytes() if counted else 0
        weakref.finalize(storage, self._forget, key, size)
        self.now += size
        self.peak = max(self.peak, self.now)

    def _forget(self, key: int, size: int) -> None:
        self.seen.discard(key)
        self.now -= size
