"""From stored tensors to modules: built without memory, filled, cast and moved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from unnoise.core.error import Refused
from unnoise.weights.keymap import some

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Place:
    """Where a model runs, and in which floating-point type."""

    device: torch.device
    dtype: torch.dtype


def filled(make: Callable[[], M], tensors: Mapping[str, Tensor], prefix: str, place: Place) -> M:
    """A module whose parameters are the tensors named `prefix` + its own names; ready to run, not to train.

    Tensors are asked for one after the other, so that of a lazy mapping one at a time is in memory beside the module;
    what needs no other type and no other device stays what it is, a view of its file where it is one.

    Raises:
        Refused: the module cannot be built, or a tensor is missing, left over, of another shape or not finite.
    """
    try:
        with torch.device("meta"):
            module = make()
    except Exception as error:  # settings from a stranger's file fail in any way they like
        raise Refused("the file describes a network that cannot be built", str(error)[:120], "model") from None
    mine = {k[len(prefix) :]: k for k in tensors if k.startswith(prefix)}
    wanted = {name: own.shape for name, own in module.state_dict().items()}
    missing, extra = sorted(wanted.keys() - mine.keys()), sorted(mine.keys() - wanted.keys())
    _check_fit(module, {"missing": missing, "unknown": extra})
    placed: dict[str, Tensor] = {}
    wrong: list[str] = []
    for name, shape in wanted.items():
        # In one line: a name for what is asked for would keep it until the next is there.
        found = _placed(tensors[mine[name]], shape, place, mine[name])
        if found is None:
            wrong.append(name)
        else:
            placed[name] = found
    _check_fit(module, {"of another shape": sorted(wrong)})
    module.load_state_dict(placed, assign=True)
    # Buffers that no file holds move too.
    return module.to(place.device).requires_grad_(False).eval()


def _placed(value: Tensor, shape: torch.Size, place: Place, name: str) -> Tensor | None:
    """A tensor where a model runs, in its type where it is of floating point; nothing where it has another shape.

    Raises:
        Refused: it holds numbers that are not finite, or too large for the type.
    """
    if value.shape != shape:
        return None
    there = value.to(place.device, place.dtype if value.is_floating_point() else value.dtype).contiguous()
    if not finite(there):
        if finite(value):
            remedy = "choose bfloat16 or float32"
            raise Refused(f"tensor {name!r} holds numbers too large for {place.dtype}", remedy, "dtype")
        raise Refused(f"tensor {name!r} holds numbers that are not finite", "the file is damaged", "model")
    return there


def finite(tensor: Tensor) -> bool:
    """Whether a tensor holds no NaN and no infinity: in one pass, which makes nothing."""
    if not tensor.is_floating_point() or not tensor.numel() or tensor.is_meta:
        return True
    wide = tensor if tensor.element_size() > 1 else tensor.float()  # torch cannot look at a float8
    least, most = torch.aminmax(wide)
    return bool(torch.isfinite(least) & torch.isfinite(most))


def _check_fit(module: nn.Module, kinds: Mapping[str, list[str]]) -> None:
    if any(kinds.values()):
        said = "; ".join(f"{kind}: {some(names)}" for kind, names in kinds.items() if names)
        raise Refused(f"the weights do not fit {type(module).__name__}", said, "model")
