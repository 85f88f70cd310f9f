"""The judge as evaluations use it: frozen, it lays pictures and words on one sphere, where angles tell how they fit.

It was trained on real pictures alone (recipe `emoji_judge`). What it scores must not be chosen by it: whoever keeps
the best of several pictures by a judge's score measures the judge's taste. So nothing here offers a choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from unnoise import catalogue
from unnoise.core.error import Refused
from unnoise.core.model import Wish
from unnoise.networks import EYES
from unnoise.networks.eye import Eye, direction
from unnoise.text import CONDITIONERS
from unnoise.text.transformer import TransformerConditioner
from unnoise.weights.header import read_header
from unnoise.weights.parts import read_part

TOGETHER = 64


@dataclass(frozen=True, eq=False)
class Judge:
    """Args:
    name: of its file.
    eye, text: the two towers, ready to run on the CPU.
    """

    name: str
    eye: Eye
    text: TransformerConditioner

    @torch.no_grad()
    def pictures(self, pictures: Tensor) -> Tensor:
        """Directions (N, out) of uint8 pictures (N, C, H, W) of any size."""
        return torch.cat([self.eye(self._media(some)) for some in pictures.split(TOGETHER)])

    @torch.no_grad()
    def looks(self, pictures: Tensor) -> Tensor:
        """What is seen of uint8 pictures before it is laid on the sphere, (N, D)."""
        return torch.cat([self.eye.look(self._media(some)) for some in pictures.split(TOGETHER)])

    @torch.no_grad()
    def words(self, words: Sequence[str]) -> Tensor:
        """Directions (M, out) of words."""
        some = [words[k : k + TOGETHER] for k in range(0, len(words), TOGETHER)]
        read = [self.text(self.text.prepare([Wish(word) for word in part])) for part in some]
        return torch.cat([direction(found.tensors()["pooled"]) for found in read])

    def _media(self, pictures: Tensor) -> Tensor:
        """As the eye takes them: grey ones as colour, floats in [-1, 1]."""
        return pictures.expand(-1, self.eye.config.media, -1, -1).float() / 127.5 - 1


def located(name: str) -> Path:
    """The file of a judge, by name or by path.

    Raises:
        Refused: there is none.
    """
    try:
        return catalogue.find(name, "eye")
    except Refused as error:
        remedy = "train one by 'unnoise train emoji_judge', or name its file"
        raise Refused(f"no judge: {error.what}", remedy, "judge") from None


def opened(name: str) -> Judge:
    """A judge, by name or by path; the file is read once.

    Raises:
        Refused: there is none, or the file holds none.
    """
    path = located(name)
    return _opened(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _opened(path: Path, _: int) -> Judge:
    where = catalogue.place("cpu", "float32")
    eye = cast(Eye, read_part(path, "eye", EYES, where))
    words = read_header(path).metadata.get("vocabulary", "")
    text = cast(TransformerConditioner, read_part(path, "text", CONDITIONERS, where, words, Eye.Condition))
    return Judge(path.stem, eye, text)
