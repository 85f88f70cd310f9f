"""Ways of seeing a picture as a vector, one a file; `FEATURES` knows them by the file's name.

None of them is downloaded, and their files import without torch. A person's own network is named by its file: `opened`
asks each kind whether it reads it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from unnoise.core.error import Refused
from unnoise.core.registry import Registry

if TYPE_CHECKING:
    from torch import Tensor


class Features(Protocol):
    """A frozen dataclass whose fields are its options: uint8 pictures (N, 3, H, W) of any size -> float (N, D).

    A class may have `reads(path) -> bool`, which says whether it is made of such a file, given as its field `file`.
    """

    @property
    def name(self) -> str:
        """What a table calls it."""
        ...

    @property
    def digest(self) -> str:
        """What it is computed with: the sha256 of its weights, or its own name and options."""
        ...

    def __call__(self, pictures: Tensor, /) -> Tensor: ...


FEATURES: Registry[type[Any]] = Registry("unnoise.evaluate.features", "features")


def opened(spec: str) -> Features:
    """Features by name with options, or by a network's file.

    Raises:
        Refused: there are none of this name, or no kind reads the file.
    """
    if not _is_path(spec):
        return FEATURES.make(spec)
    path = Path(spec).expanduser()
    if not path.is_file():
        raise Refused(f"there is no file {spec[:200]}", f"check the path, or name {_known()}", "features")
    kinds = (FEATURES[name] for name in FEATURES)
    made = next((kind for kind in kinds if hasattr(kind, "reads") and kind.reads(path)), None)
    if made is None:
        raise Refused(
            f"{spec} holds no network that sees pictures", f"name a TorchScript file, or {_known()}", "features"
        )
    return made(file=str(path))


def seen(features: Features, pictures: Tensor, batch: int = 64) -> Tensor:
    """The features of pictures (N, C, H, W), grey ones as colour, float32 (N, D) on the CPU.

    Raises:
        Refused: they are not finite, or not one vector a picture.
    """
    import torch

    wide = pictures.expand(-1, 3, -1, -1) if pictures.shape[1] == 1 else pictures
    with torch.no_grad():
        parts = [features(wide[k : k + batch]).float().cpu() for k in range(0, len(wide), batch)]
    found = torch.cat(parts)
    if found.ndim != 2 or len(found) != len(wide) or not bool(torch.isfinite(found).all()):
        what = f"the features '{features.name}' are no finite vector a picture, but {tuple(found.shape)}"
        raise Refused(what, "name other features", "features")
    return found


def _is_path(spec: str) -> bool:
    name = spec.partition(":")[0]
    return name not in FEATURES and (os.sep in name or "." in name)


def _known() -> str:
    return ", ".join(FEATURES)
