"""Scenes as pixels.

A sprite is brought to its size by an antialiased bicubic filter on premultiplied colours, so that no edge has a halo.
There it is given its colour, and laid over what is behind it: out = rgb + (1 - alpha) * behind.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.data.scenes.colours import Floats, tinted
from unnoise.data.scenes.scene import Background, Box, Scene
from unnoise.data.scenes.sprites import Bytes, Sprites

KEPT = 64  # sprites at a size and in a colour: chance seldom asks for one again


@dataclass(frozen=True, eq=False)
class Painter:
    """Paints scenes of some sprites, `size` pixels a side."""

    sprites: Sprites
    size: int

    def __post_init__(self) -> None:
        if self.size < 8:
            raise Refused(f"scenes of {self.size} pixels", "take at least 8", "size")

    def paint(self, scene: Scene) -> Tensor:
        """A scene, uint8 (3, size, size)."""
        canvas = _wall(scene.background, self.size)
        for thing in scene.things:
            for box in thing.boxes:
                width, height = self._sides(box)
                self._lay(canvas, self._sized(thing.sprite, width, height, thing.tint, thing.mirrored), box)
        return torch.from_numpy(np.ascontiguousarray(canvas.transpose(2, 0, 1)))

    def _sides(self, box: Box) -> tuple[int, int]:
        return max(1, round(box.width * self.size)), max(1, round(box.height * self.size))

    def _lay(self, canvas: Bytes, pixels: Bytes, box: Box) -> None:
        height, width, _ = pixels.shape
        left = min(round(box.left * self.size), self.size - width)
        top = min(round(box.top * self.size), self.size - height)
        part = canvas[top : top + height, left : left + width]
        behind = part.astype(np.uint16) * (255 - pixels[..., 3:].astype(np.uint16))
        part[:] = pixels[..., :3] + ((behind + 127) // 255).astype(np.uint8)

    @cached_property
    def _sized(self) -> Callable[[int, int, int, str, bool], Bytes]:
        # Five of a kind are one sprite at one size; what is kept changes no pixel.
        return lru_cache(maxsize=KEPT)(self._made)

    def _made(self, number: int, width: int, height: int, tint: str, mirrored: bool) -> Bytes:
        sprite = self.sprites.all[number]
        if not tint and sprite.pixels.shape[:2] == (height, width):
            pixels = sprite.pixels
        else:
            parts = _resized(sprite.pixels, width, height)
            if tint and sprite.own:
                (parts[..., :3],) = tinted(parts[..., :3], parts[..., 3:], sprite.own, (tint,))
            pixels = (parts * 255 + 0.5).astype(np.uint8)
        return pixels[:, ::-1] if mirrored else pixels


def _resized(pixels: Bytes, width: int, height: int) -> Floats:
    """Pixels at another size, from 0 to 1; what the filter overshoots is taken off colour and alpha alike."""
    planes = torch.from_numpy(pixels).permute(2, 0, 1)[None].float() / 255
    resized = F.interpolate(planes, size=(height, width), mode="bicubic", antialias=True)[0].permute(1, 2, 0)
    alpha = resized[..., 3:]
    return (resized / alpha.clamp(min=1)).clamp(min=0).minimum(alpha.clamp(0, 1)).contiguous().numpy()


def _wall(background: Background, size: int) -> Bytes:
    canvas = np.empty((size, size, 3), np.uint8)
    first, last = np.asarray(background.colours[0]) * 255, np.asarray(background.colours[-1]) * 255
    if not background.axis:
        canvas[:] = np.round(first)
        return canvas
    steps = np.linspace(0, 1, size)[:, None]
    ramp = np.round(first + (last - first) * steps).astype(np.uint8)
    canvas[:] = ramp[None] if background.axis == "across" else ramp[:, None]
    return canvas
