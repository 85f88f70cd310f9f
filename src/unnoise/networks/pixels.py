"""No codec at all: the pixels themselves are diffused."""

from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, kw_only=True)
class PixelsConfig:
    """Args:
    channels: 3 for colour, 1 for grey.
    spread: what media in [-1, 1] are multiplied with; data of unit variance suits most schedules.
    """

    channels: int = 3
    spread: float = 1.0


class Pixels(nn.Module):
    """Media and samples are the same but for a factor."""

    Config = PixelsConfig

    def __init__(self, config: PixelsConfig) -> None:
        super().__init__()
        self.config = config
        self.scale, self.channels = 1, config.channels

    def encode(self, media: Tensor) -> Tensor:
        return media * self.config.spread

    def decode(self, sample: Tensor) -> Tensor:
        return sample / self.config.spread

    preview = decode


codec = Pixels
