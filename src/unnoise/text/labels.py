"""Classes by name instead of words: a label for each wish, and one more for no wish at all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from unnoise.core.condition import Condition
from unnoise.core.error import Refused
from unnoise.core.model import Wish


@dataclass(frozen=True, kw_only=True)
class LabelsConfig:
    """Args:
    classes: the names of the classes, in the order of their labels.
    """

    classes: tuple[str, ...]


class Labels(nn.Module):
    """Class names -> a condition with `label` (B,) int64, the number of classes where there is no wish.

    Args:
        config: the names.
        vocabulary: none is needed; every conditioner is made from the same three.
        make: the network's condition class.
    """

    Config = LabelsConfig

    def __init__(self, config: LabelsConfig, vocabulary: str, make: Callable[..., Condition]) -> None:
        super().__init__()
        self.config, self.make = config, make
        self.numbers = {_folded(name): label for label, name in enumerate(config.classes)}
        if len(self.numbers) < len(config.classes):
            raise Refused("two classes have the same name", "give each its own", "classes")
        # The network holds the labels' vectors. This empty tensor, no part of a file, follows `.to(device)` and so says
        # where labels must go; it is a real one even where modules are built without memory.
        self.register_buffer("place", torch.empty(0, device="cpu"), persistent=False)
        self.place: Tensor

    def prepare(self, wishes: Sequence[Wish]) -> Tensor:
        """The label of every wish, (B,) int64; an empty prompt is no wish.

        Raises:
            Refused: a prompt names no class.
        """
        return torch.tensor([self._label(wish.prompt) for wish in wishes], dtype=torch.int64)

    def forward(self, tokens: Tensor) -> Condition:
        """(B,) -> the condition, where the module is"""
        return self.make(label=tokens.to(self.place.device))

    def _label(self, prompt: str) -> int:
        if not prompt:
            return len(self.config.classes)
        if (label := self.numbers.get(_folded(prompt))) is None:
            raise Refused(f"there is no class '{prompt[:60]}'", f"one of {', '.join(self.config.classes)}", "prompt")
        return label


def _folded(name: str) -> str:
    return name.strip().casefold()


conditioner: Any = Labels
