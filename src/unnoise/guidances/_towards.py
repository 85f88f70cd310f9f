"""What most guidances begin with: the prompt's guess, moved away from the negative prompt's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from unnoise.core.branch import PAIR, PROMPT

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.branch import Branch


def pair(scale: float) -> Mapping[str, Branch]:
    """The branches of classifier-free guidance; at scale 1 the negative one does not count."""
    return PROMPT if scale == 1 else PAIR


def towards(guesses: Mapping[str, Tensor], scale: float) -> Tensor:
    """Classifier-free guidance, or the prompt's own guess where there is no other."""
    positive = guesses["positive"]
    return guesses["negative"].lerp(positive, scale) if "negative" in guesses else positive
