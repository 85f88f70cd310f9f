"""A person's own network, such as Inception or CLIP's picture tower, saved by TorchScript.

A TorchScript file is a program: it is run as it is, so name only one whose maker you trust. It takes pictures
(N, 3, size, size) and gives (N, D), or a tuple whose first it is.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from warnings import catch_warnings, simplefilter
from zipfile import ZipFile, is_zipfile

from unnoise.core.error import Refused

if TYPE_CHECKING:
    from torch import Tensor

_SPREADS: dict[str, tuple[tuple[float, float, float], tuple[float, float, float]]] = {
    "unit": ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)),
    "signed": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
    "bytes": ((0.0, 0.0, 0.0), (1 / 255, 1 / 255, 1 / 255)),
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}
"""Mean and spread of each colour in [0, 1] that are taken off and divided by."""

LARGEST = 2048
"""The longest side that a network is asked with, in pixels."""


@dataclass(frozen=True)
class TorchScript:
    """Whatever the network gives.

    Args:
        file: the network's.
        size: the side it takes, in pixels.
        values: what its values are: `unit` [0, 1], `signed` [-1, 1], `bytes` 0 to 255, or `imagenet` and `clip`, which
            take those sets' mean and spread off.
    """

    file: str = ""
    size: int = 224
    values: Literal["unit", "signed", "bytes", "imagenet", "clip"] = "unit"

    def __post_init__(self) -> None:
        if not self.reads(Path(self.file)):
            raise Refused(f"'{self.file}' is no TorchScript file", "name one: torchscript:file=PATH", "features")
        if not 1 <= self.size <= LARGEST:
            raise Refused(f"a network for pictures of {self.size} pixels", f"from 1 to {LARGEST}", "features")

    @staticmethod
    def reads(path: Path) -> bool:
        """Whether a file is TorchScript's: an archive that holds code."""
        return path.suffix in (".pt", ".ts", ".jit", ".pth") and is_zipfile(path) and _holds_code(path)

    @property
    def name(self) -> str:
        usual = self.size == TorchScript.size
        return Path(self.file).stem + ("" if usual else f" {self.size}x{self.size}")

    @cached_property
    def digest(self) -> str:
        from unnoise.weights.digest import sha256

        return f"{sha256(Path(self.file))} size={self.size},values={self.values}"

    def __call__(self, pictures: "Tensor") -> "Tensor":
        import torch
        import torch.nn.functional as F

        x = pictures.float() / 255
        if x.shape[-2:] != (self.size, self.size):
            x = F.interpolate(x, (self.size, self.size), mode="bicubic", antialias=True).clamp(0, 1)
        middle, spread = (torch.tensor(v)[:, None, None] for v in _SPREADS[self.values])
        try:
            found = self._network((x - middle) / spread)
        except RuntimeError as fault:
            last = str(fault).strip().rpartition("\n")[2][:120]
            raise Refused(f"{self.file} does not take {self.size} pixels so ({last})", _OPTIONS, "features") from None
        return found[0] if isinstance(found, tuple) else found

    @cached_property
    def _network(self) -> Any:
        import torch

        with catch_warnings():  # torch wants no new ones; a person's file is what it is
            simplefilter("ignore", DeprecationWarning)
            return torch.jit.load(self.file, "cpu").eval()


def _holds_code(path: Path) -> bool:
    with ZipFile(path) as archive:
        return any("/code/" in name for name in archive.namelist())


_OPTIONS = "torchscript:file=PATH,size=299,values=signed sets what it takes"

features = TorchScript
