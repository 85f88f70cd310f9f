"""How much memory a computation takes, found without the memory: it runs on tensors that have no numbers.

torch's fake tensors know their device, so code goes the way it would go there; every storage is counted from the
operation that makes it until nothing refers to it any more. What kernels take and give back inside one operation is not
seen, but for convolutions on a CPU, whose weights are laid out anew in each call.
"""

import copy
import weakref
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

M = TypeVar("M", bound=nn.Module)


class Footprint(TorchDispatchMode):
    """Counts what is alive of the tensors that are made while it is on: `now` and `peak`, in bytes."""

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        made = func(*args, **(kwargs or {}))
        old = {_key(t) for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor)}
        for tensor in tree_leaves(made):
            if isinstance(tensor, Tensor) and _key(tensor) not in old:
                self._seen(tensor)
        self.peak = max(self.peak, self.now + _scratch(func, args))
        return made

    def _seen(self, tensor: Tensor) -> None:
        storage = tensor.untyped_storage()
        if (key := _key(tensor)) in self._known:
            return
        size = storage.nbytes()
        self._known.add(key)
        self.now += size
        weakref.finalize(storage, self._gone, key, size).atexit = False

    def _gone(self, key: int, size: int) -> None:
        self._known.discard(key)
        self.now -= size


@contextmanager
def weightless() -> Generator[None]:
    """Tensors made in here have no numbers and take no memory; real ones may be used beside them."""
    with FakeTensorMode(allow_non_fake_inputs=True), torch.no_grad():
        yield


def peak(run: Callable[[], object]) -> int:
    """The most bytes alive at once of what a computation makes; call it where tensors are weightless."""
    with Footprint() as counted:
        run()
    return counted.peak


def imagined(module: M, device: str, kept: torch.dtype | None = None) -> M:
    """A module's copy whose weights are on a device and take no memory; call it where tensors are weightless.

    Args:
        module: of torch's meta device.
        kept: what the weights of layers that follow their input are stored as; as they are by default.
    """
    tensors = (*module.parameters(), *module.buffers())
    made = copy.deepcopy(module, {id(t): t for t in tensors})  # all of them are replaced below
    for layer in made.modules():
        stored = kept if getattr(layer, "follows", False) else None
        for name, own in layer.named_parameters(recurse=False):
            there = torch.empty(own.shape, dtype=stored or own.dtype, device=device)
            setattr(layer, name, nn.Parameter(there, requires_grad=False))
        for name, own in layer.named_buffers(recurse=False):
            setattr(layer, name, torch.empty(own.shape, dtype=own.dtype, device=device))
    return made


def _key(tensor: Tensor) -> int:
    return tensor.untyped_storage()._cdata  # pyright: ignore[reportPrivateUsage] # the one name a storage has


def _scratch(func: Any, args: Any) -> int:
    """What a kernel lays out anew for the time of its call: a convolution's weights on a CPU, twice where features lie
    channels last, once for that and once in blocks."""
    if func is not torch.ops.aten.convolution.default or not isinstance(args[1], FakeTensor):
        return 0
    x, weight = args[:2]
    last = x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return (1 + last) * weight.numel() * weight.element_size() if weight.device.type == "cpu" else 0
