"""A few things to make scenes of, a tiny witness in a file, and one that says what it is told to."""

import numpy as np
import torch

from unnoise.data.scenes.colours import TINTS
from unnoise.data.scenes.sprites import Sprite, Sprites
from unnoise.evaluate.compositional import BACKGROUNDS, COLOURS, asked
from unnoise.evaluate.exam import answered, stated
from unnoise.networks.witness import Witness, WitnessConfig
from unnoise.weights.parts import export_parts
from unnoise.weights.store import write_tensors

THINGS, STYLES = ("apple", "cup", "star"), ("flat", "round")
RGB = ((0.9, 0.1, 0.1), (0.2, 0.4, 0.9), (0.95, 0.8, 0.2))


def sprite(noun, style, rgb):
    pixels = np.full((12, 12, 4), 255, np.uint8)
    pixels[..., :3] = np.uint8(np.asarray(rgb) * 255)
    colour = ("red", "blue", "yellow")[THINGS.index(noun)]
    return Sprite(
        name=noun,
        noun=noun,
        style=style,
        group="Things",
        phrase=f"{style} emoji",
        keywords=(),
        colour=colour,
        hints=(colour,),
        mean=rgb,
        own=rgb,
        tints=tuple(tint for tint in TINTS if tint != colour),
        corner=(0.1, 0.1),
        side=16,
        pixels=pixels,
    )


def sprites():
    return Sprites(tuple(sprite(noun, style, rgb) for style in STYLES for noun, rgb in zip(THINGS, RGB, strict=True)))


def config(**changes):
    known = {"things": THINGS, "colours": COLOURS, "backgrounds": BACKGROUNDS, "styles": STYLES, "hidden": 16}
    return WitnessConfig(**{**known, "size": 8, "patch": 2, "widths": (8, 8), **changes})


def witness(**changes):
    torch.manual_seed(0)
    return Witness(config(**changes)).eval()


def questions(count=2):
    return [question for question, _ in asked(sprites(), count, 0)]


def written(path, count=2, **changes):
    """A witness's file, of random weights, with so many questions of each kind."""
    made, asks = witness(), questions(count)
    exam = answered(made, asks, torch.zeros(len(asks), 3, 8, 8).byte())
    tensors, metadata = export_parts({"witness": made}, torch.float32, {"title": "tiny"})
    write_tensors(path, tensors, {**metadata, **stated(exam), **changes})
    return path


class Saying(Witness):
    """It reads off a picture's first pixel which of some answers to give."""

    def __init__(self, said):
        super().__init__(config())
        self.said = said

    def told(self, media):
        return [self.said[round(float((picture[0, 0, 0] + 1) * 127.5))] for picture in media]
