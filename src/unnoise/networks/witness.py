"""What a picture shows, in answers to fixed questions: convolutions, then one choice a question.

Where things stand matters here, so the last level's cells are read in their places, not by their mean.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from unnoise.core.error import Refused
from unnoise.networks.eye import brought, levels
from unnoise.nn.conv import channels_last
from unnoise.nn.norm import GroupNorm

NOTHING = "nothing"


@dataclass(frozen=True, kw_only=True)
class WitnessConfig:
    """Args:
    things: what it can name.
    colours, backgrounds, styles: what each of these can be; the last background is "several".
    counts: how many things it tells apart at most.
    relations: how the first thing can stand to the second; the first is that there is none.
    size: the side in pixels that pictures are brought to.
    media: the picture's channels.
    patch: the side of the cells of pixels that are folded into channels.
    widths: of each level, every one half the size of the one before.
    blocks: residual blocks a level.
    hidden: values between the cells and the answers.
    """

    things: tuple[str, ...]
    colours: tuple[str, ...]
    backgrounds: tuple[str, ...]
    styles: tuple[str, ...]
    counts: int = 5
    relations: tuple[str, ...] = (NOTHING, "left of", "above")
    size: int = 64
    media: int = 3
    patch: int = 4
    widths: tuple[int, ...] = (32, 96, 256)
    blocks: int = 1
    hidden: int = 384

    @property
    def questions(self) -> Mapping[str, tuple[str, ...]]:
        """The answers that each question can have."""
        return {
            "first": self.things,
            "second": (NOTHING, *self.things),
            "colour": self.colours,
            "count": tuple(str(k + 1) for k in range(self.counts)),
            "relation": self.relations,
            "background": self.backgrounds,
            "style": self.styles,
        }


class Witness(nn.Module):
    """Media (B, media, H, W) in [-1, 1], of any size -> for each question logits (B, answers)."""

    Config = WitnessConfig

    def __init__(self, config: WitnessConfig) -> None:
        super().__init__()
        c = config
        scale = c.patch * 2 ** (len(c.widths) - 1)
        if not c.widths or min(c.size, c.media, c.patch, *c.widths, c.blocks, c.hidden) < 1 or c.size % scale:
            what = "a witness's sizes are positive, and its pictures whole cells of its last level"
            raise Refused(what, "give at least one width, and a size that they divide", "witness")
        if not all(c.questions.values()):
            raise Refused("a witness needs an answer to every question", "give it things, styles and counts", "witness")
        self.config = config
        self.layers = levels(c.media * c.patch**2, c.widths, c.blocks)
        self.norm = GroupNorm(c.widths[-1])
        self.gather = nn.Linear(c.widths[-1] * (c.size // scale) ** 2, c.hidden)
        self.answer = nn.Linear(c.hidden, sum(map(len, c.questions.values())))

    def forward(self, media: Tensor) -> dict[str, Tensor]:
        c = self.config
        x = channels_last(F.pixel_unshuffle(brought(media, c.size), c.patch))
        cells = F.silu(self.norm(self.layers(x))).flatten(1)
        told = self.answer(F.silu(self.gather(cells))).float()
        sizes = [len(answers) for answers in c.questions.values()]
        return dict(zip(c.questions, told.split(sizes, 1), strict=True))

    @torch.no_grad()
    def told(self, media: Tensor) -> list[dict[str, str]]:
        """The likeliest answer to every question, for each picture."""
        questions = self.config.questions
        chosen = {name: logits.argmax(1).tolist() for name, logits in self(media).items()}
        return [{name: questions[name][k[row]] for name, k in chosen.items()} for row in range(len(media))]


witness = Witness
