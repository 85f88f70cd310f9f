"""What stands beside the sample in networks that look at a picture, where a wish has none.

Inpainting (Rombach et al. 2022, section 4.5) sees a mask, 1 where it may paint, and the picture without what is
masked: without a picture all may be painted, and what is left is grey. Instruct-pix2pix (Brooks et al. 2023, section
3.2.1) sees the picture to change, and was trained with none at times: zeros.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from unnoise.core.condition import Condition
from unnoise.core.model import Codec, Conditioner, Wish


class BesideTokens(NamedTuple):
    """What the conditioner inside makes of wishes, and the pictures' height and width, which all of them share."""

    inner: Any
    size: tuple[int, int]


class Beside(nn.Module):
    """A conditioner whose conditions also have `extra` (B, channels, h, w).

    Args:
        inner: the conditioner of words.
        codec: makes samples of pictures.
        masked: whether the network inpaints; else it changes a picture as it is told.
        side: a picture's sides, where a wish has none.
    """

    def __init__(self, inner: Conditioner, codec: Codec, masked: bool, side: int) -> None:
        super().__init__()
        self.inner = cast(nn.Module, inner)
        self.held = (codec,)  # a tuple, so that its weights are not this module's
        self.masked, self.side = masked, side

    def prepare(self, wishes: Sequence[Wish]) -> BesideTokens:
        height, width = wishes[0].height or self.side, wishes[0].width or self.side
        return BesideTokens(cast(Conditioner, self.inner).prepare(wishes), (height, width))

    def forward(self, tokens: BesideTokens) -> Condition:
        found: Any = self.inner(tokens.inner)
        return replace(found, extra=self._extra(found.context, tokens.size).expand(len(found.context), -1, -1, -1))

    def _extra(self, like: Tensor, size: tuple[int, int]) -> Tensor:
        (codec,) = self.held
        height, width = (side // codec.scale for side in size)
        if not self.masked:
            return like.new_zeros(1, codec.channels, height, width)
        grey = codec.encode(torch.zeros(1, 3, *size, device=like.device, dtype=like.dtype))
        return torch.cat([like.new_ones(1, 1, height, width), grey], 1)

    @property
    def words(self) -> Any:
        """The tokenizers of its text encoders."""
        return cast(Any, self.inner).words

    @property
    def widths(self) -> Sequence[int]:
        """How wide the vectors of each of its text encoders are, in their order."""
        return cast(Any, self.inner).widths

    def with_vectors(self, words: Sequence[str], vectors: Sequence[Tensor]) -> "Beside":
        """One that reads the vectors (N, width), one tensor an encoder, wherever a prompt has one of the words."""
        (codec,) = self.held
        return Beside(cast(Any, self.inner).with_vectors(words, vectors), codec, self.masked, self.side)
