"""What every architecture's class offers beside being a module."""

from typing import Any, Protocol

from torch import nn


class Architecture(Protocol):
    """A module class that is built from its own frozen config.

    `multiple(config)` is the number that a picture's sides must be multiples of, in the network's own cells.
    """

    Config: type[Any]
    Condition: type[Any]

    def __call__(self, config: Any, /) -> nn.Module: ...
    @staticmethod
    def multiple(config: Any, /) -> int: ...
