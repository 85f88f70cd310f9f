"""Perturbed-attention guidance: away from the guess of a network that sees no structure (Ahn et al. 2024).

In some layers every cell attends to itself alone, so that each keeps its content and knows nothing of the whole.
Classifier-free guidance goes beside it, and both add up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from unnoise.guidances._weaker import Weaker


@dataclass(frozen=True)
class Perturbed(Weaker):
    """Some layers' attention is perturbed; options as for every weakened view."""

    change: ClassVar[Literal["apart", "skipped"]] = "apart"


guidance = Perturbed
aliases = ["PAG"]
