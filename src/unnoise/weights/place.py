"""From stored tensors to modules: built without memory, filled, cast and moved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn

from unnoise.core.error import Refused

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Place:
    """Where a model runs, and in which floating-point type."""

    device: torch.device
    dtype: torch.dtype


def filled(make: Callable[[], M], tensors: Mapping[str, Tensor], prefix: str, place: Place) -> M:
    """A module whose parameters are the tensors named `prefix` + its own names; ready to run, not to train.

    Raises:
        Refused: the module cannot be built, or a tensor is missing, left over or of another shape.
    """
    try:
        with torch.device("meta"):
            module = make()
    except Exception as error:  # settings from a stranger's file fail in any way they like
        raise Refused("the file describes a network that cannot be built", str(error)[:120], "model") from None
    mine = {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}
    wanted = module.state_dict()
    wrong = sorted(k for k in wanted.keys() & mine.keys() if wanted[k].shape != mine[k].shape)
    missing, extra = sorted(wanted.keys() - mine.keys()), sorted(mine.keys() - wanted.keys())
    if wrong or missing or extra:
        kinds = {"missing": missing, "unknown": extra, "of another shape": wrong}
        said = "; ".join(f"{k}: {_some(v)}" for k, v in kinds.items() if v)
        raise Refused(f"the weights do not fit {type(module).__name__}", said, "model")
    cast = {k: v.to(place.device, place.dtype if v.is_floating_point() else v.dtype) for k, v in mine.items()}
    module.load_state_dict(cast, assign=True)
    # Buffers that no file holds move too.
    return module.to(place.device).requires_grad_(False).eval()


def _some(names: list[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
