"""From stored tensors to modules: built without memory, filled, cast and moved."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from unnoise.core.error import Refused
from unnoise.weights import int8
from unnoise.weights.entry import BLOCKS, Entry
from unnoise.weights.keymap import some
from unnoise.weights.packed import Packed

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Place:
    """Where a model runs.

    Args:
        device: that it computes on.
        dtype: the floating-point type it computes in.
        memory: how many bytes of the device's memory it may take, pages of mapped files aside; 0 for what there is.
        int8: whether the linear layers of a network's blocks are of this type instead.
    """

    device: torch.device
    dtype: torch.dtype
    memory: int = 0
    int8: bool = False

    @classmethod
    def of(cls, device: torch.device, dtype: str, memory: int) -> "Place":
        """A place by its type's name.

        Raises:
            Refused: it is int8, and torchao is not there.
        """
        if dtype != int8.NAME:
            return cls(device, getattr(torch, dtype), memory)
        int8.check()
        return cls(device, int8.beside(device), memory, int8=True)

    @property
    def plain(self) -> "Place":
        """The same without int8: for what is no diffusion network."""
        return replace(self, int8=False)

    def moved(self, entries: Iterable[Entry]) -> int:
        """How many bytes tensors take once they are placed: quantised ones what they take in their file, and those that
        can stay mapped from it none."""
        plain = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
        here = self.device.type == "cpu"
        stay = {name for name, dtype in plain.items() if dtype == self.dtype} | BLOCKS.keys() if here else set[str]()
        takes = ((e, e.bytes if e.dtype in BLOCKS else prod(e.shape) * self.dtype.itemsize) for e in entries)
        return sum(bytes for entry, bytes in takes if entry.dtype not in stay)

    def room(self) -> int:
        """How many bytes weights may take: half of what there is, the rest being for what is computed."""
        return (self.memory or available(self.device)) // 2


def available(device: torch.device) -> int:
    """How many bytes of memory are free, as far as the system says; no end of them where it does not."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return 2**62


def filled(make: Callable[[], M], tensors: Mapping[str, Tensor], prefix: str, place: Place, kept: bool = False) -> M:
    """A module whose parameters are the tensors named `prefix` + its own names; ready to run, not to train.

    Tensors are asked for one after the other, so that of a lazy mapping one at a time is in memory beside the module;
    what needs no other type and no other device stays what it is, a view of its file where it is one.

    Args:
        kept: leave the weights of layers that follow what they are given (nn/native.py) where and as they are stored:
            a model larger than memory runs then, each weight brought over when its turn comes. Quantised ones stay
            packed in any case.

    Raises:
        Refused: the module cannot be built, or a tensor is missing, left over, of another shape or not finite.
    """
    try:
        with torch.device("meta"), Undrawn():
            module = make()
    except Exception as error:  # settings from a stranger's file fail in any way they like
        raise Refused("the file describes a network that cannot be built", str(error)[:120], "model") from None
    mine = {k[len(prefix) :]: k for k in tensors if k.startswith(prefix)}
    wanted = module.state_dict()
    missing, extra = sorted(wanted.keys() - mine.keys()), sorted(mine.keys() - wanted.keys())
    _check_fit(module, {"missing": missing, "unknown": extra})
    following = _following(module)
    whole = int8.chosen(module) if place.int8 else frozenset[str]()
    if place.int8 and not whole:
        remedy = "leave --dtype int8 out"
        raise Refused(f"{type(module).__name__} has no linear layer in its blocks to be int8", remedy, "dtype")
    stays = (following if kept else frozenset[str]()) | whole
    origin, placed = _origin(tensors), dict[str, Tensor]()
    wrong: list[str] = []
    for name, own in wanted.items():
        # In one line: a name for what is asked for would keep it until the next is there.
        where = None if name in stays else place
        found = _placed(tensors[mine[name]], own, where, f"{origin}tensor {mine[name]!r}", name in following)
        if found is not None and name in whole:
            found = int8.quantised(found, place.device, place.dtype)
        if found is None:
            wrong.append(name)
        else:
            placed[name] = found
    _check_fit(module, {"of another shape": sorted(wrong)})
    module.load_state_dict(placed, assign=True)
    _move_buffers(module, place.device)  # those too that no file holds
    return module.requires_grad_(False).eval()


class Undrawn(TorchFunctionMode):
    """Weights are not drawn, for they come from a file; to draw what has no memory, torch loads a thousand modules."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__name__", "") in ("normal_", "uniform_", "trunc_normal_"):
            return args[0] if args else kwargs["tensor"]
        return func(*args, **(kwargs or {}))


def _following(module: nn.Module) -> frozenset[str]:
    """The weights of layers that compute where and in what they are given, by name."""
    layers = ((name, layer) for name, layer in module.named_modules() if getattr(layer, "follows", False))
    found = ((name, own) for name, layer in layers for own, _ in layer.named_parameters(recurse=False))
    return frozenset(f"{name}.{own}".removeprefix(".") for name, own in found)


def _move_buffers(module: nn.Module, device: torch.device) -> None:
    for layer in module.modules():
        for name, buffer in layer.named_buffers(recurse=False):
            setattr(layer, name, buffer.to(device))


def _placed(value: Tensor, own: Tensor, place: Place | None, what: str, packed: bool) -> Tensor | None:
    """A tensor where a model runs, in its type where it is of floating point; nothing where it has another shape.

    Args:
        own: the module's tensor of that name.
        place: None leaves it where and as it is.
        what: the tensor, for people.
        packed: whether it may stay so.

    Raises:
        Refused: it holds numbers that are not finite, too large for the type, or whole where they should not be.
    """
    if value.shape != own.shape:
        return None
    if value.is_floating_point() != own.is_floating_point():
        raise Refused(f"{what} holds {value.dtype}, the network {own.dtype}", "the file is damaged", "model")
    if place is None:
        there = value
    elif packed and isinstance(value, Packed):
        there = value.at(place.device)
    else:
        numbers = value.numbers() if isinstance(value, Packed) else value
        there = numbers.to(place.device, place.dtype if value.is_floating_point() else value.dtype).contiguous()
    dtype = torch.float32 if place is None else place.dtype
    if not (there.sound(dtype) if isinstance(there, Packed) else finite(there)):
        if place is not None and finite(value):
            remedy = "choose bfloat16 or float32"
            raise Refused(f"{what} holds numbers too large for {place.dtype}", remedy, "dtype")
        raise Refused(f"{what} holds numbers that are not finite", "the file is damaged", "model")
    return there


def _origin(tensors: Any) -> str:
    """The file that a mapping over mappings reads from in the end, for people; nothing where it reads none."""
    while hasattr(tensors, "stored"):
        tensors = tensors.stored
    return f"{tensors.header.path}: " if hasattr(tensors, "header") else ""


def finite(tensor: Tensor) -> bool:
    """Whether a tensor holds no NaN and no infinity: in one pass, which makes nothing."""
    if not tensor.is_floating_point() or not tensor.numel() or tensor.is_meta:
        return True
    if isinstance(tensor, Packed):
        return tensor.sound()
    wide = tensor if tensor.element_size() > 1 else tensor.float()  # torch cannot look at a float8
    least, most = torch.aminmax(wide)
    return bool(torch.isfinite(least) & torch.isfinite(most))


def _check_fit(module: nn.Module, kinds: Mapping[str, list[str]]) -> None:
    if any(kinds.values()):
        said = "; ".join(f"{kind}: {some(names)}" for kind, names in kinds.items() if names)
        raise Refused(f"the weights do not fit {type(module).__name__}", said, "model")
