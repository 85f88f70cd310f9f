"""Skip-layer guidance: away from the guess of the same network without some of its layers (Stable Diffusion 3.5).

Hyung et al. 2024 derive it for video transformers. Classifier-free guidance goes beside it, and both add up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from unnoise.guidances._weaker import Weaker


@dataclass(frozen=True)
class SkipLayer(Weaker):
    """Some layers are left out; options as for every weakened view."""

    strength: float = 2.8
    change: ClassVar[Literal["apart", "skipped"]] = "skipped"


guidance = SkipLayer
aliases = ["SLG"]
