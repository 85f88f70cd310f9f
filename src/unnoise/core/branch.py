"""What a guidance asks for: the guesses it combines, and how each is made. Imports no torch.

A guidance names its branches and describes each by a `Branch`; whoever runs it binds them. So a guidance that looks at
other guesses than those before it is still one file.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Protocol, runtime_checkable

from unnoise.core.error import Refused

if TYPE_CHECKING:
    from torch import nn

Words = Literal["prompt", "negative", "none"]


@dataclass(frozen=True)
class View:
    """The same network, weakened: something in some of its layers is left out.

    Args:
        change: `apart`, every cell sees itself alone in a layer's self-attention (Ahn et al. 2024); or `skipped`, the
            layer is left out.
        layers: which of them, from 0; none named is the network's own choice.
    """

    change: Literal["apart", "skipped"]
    layers: tuple[int, ...] = ()

    def among(self, count: int, middle: int) -> tuple[int, ...]:
        """The layers meant, of `count`: the middle one where none is named.

        Raises:
            Refused: the network has no such layer.
        """
        if unknown := [layer for layer in self.layers if not 0 <= layer < count]:
            has = f"its layers are 0 to {count - 1}" if count else "it has none that can be changed"
            raise Refused(f"the network has no layer {unknown[0]}", has, "guidance")
        if not count:
            raise Refused("the network has no layer that can be changed", "use another guidance", "guidance")
        return self.layers or (middle,)


@runtime_checkable
class Viewable(Protocol):
    """A network that can be weakened: `view` gives a new module that shares its parameters and leaves it as it is."""

    def view(self, view: View, /) -> nn.Module: ...


@dataclass(frozen=True)
class Branch:
    """How one guess is made.

    Args:
        words: whose: the prompt's, the negative prompt's, or none at all.
        pictures: whether it sees the pictures that the wish holds.
        model: another model's name; empty is the request's own.
        view: what is weakened in its network.
    """

    words: Words = "prompt"
    pictures: bool = True
    model: str = ""
    view: View | None = None


POSITIVE, NEGATIVE, FREE = Branch(), Branch("negative"), Branch("none")

PROMPT: Mapping[str, Branch] = {"positive": POSITIVE}
PAIR: Mapping[str, Branch] = {"positive": POSITIVE, "negative": NEGATIVE}
"""The branches of most guidances."""
