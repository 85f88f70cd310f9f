"""Guidance by a function of your own: the data guess moves down its slope. Python only; it takes a function.

With an energy E of the data guess D(x), the score gains -scale dE/dx, which in data is D - scale sigma² / alpha dE/dx:
classifier guidance with E = -log p(y | data) (Dhariwal and Nichol 2021, eq. 14; Chung et al. 2023), exact where
E is linear in Gaussian data. Without going through the denoiser, D - scale dE/dD (He et al. 2024, MPGD).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from unnoise.core.error import Refused
from unnoise.guidances._towards import pair, towards

if TYPE_CHECKING:
    from torch import Tensor

    from unnoise.core.branch import Branch
    from unnoise.core.guidance import Space
    from unnoise.core.level import Level


@dataclass(frozen=True)
class Energy:
    """Used as `Guided({"positive": denoiser.bind(condition)}, Energy(function))`.

    Args:
        function: data guesses (B, ...) -> an energy for each, (B,), low where they are as wanted.
        scale: how far down its slope.
        guidance: of classifier-free guidance, before it; other than 1 needs a "negative" branch.
        through: take the slope through the denoiser, or only to its guess: cheaper, and not exact.
    """

    function: Callable[..., Any] | None = None
    scale: float = 1.0
    guidance: float = 1.0
    through: bool = True
    space: ClassVar[Space] = "data"

    @property
    def gradient(self) -> bool:
        return self.through

    @property
    def branches(self) -> Mapping[str, Branch]:
        if not callable(self.function):
            raise Refused(
                "the guidance 'energy' takes a Python function, which no option can spell",
                "use unnoise.guidances.energy.Energy(function) from Python",
                "guidance",
            )
        return pair(self.guidance)

    def needs(self, level: Level) -> tuple[str, ...]:
        return tuple(self.branches)

    def __call__(self, guesses: Mapping[str, Tensor], x: Tensor, level: Level) -> Tensor:
        from torch import enable_grad

        guess = towards(guesses, self.guidance)
        if not self.through:
            with enable_grad():
                to = guess.detach().requires_grad_()
                return guess - self.scale * self._slope(to, to)
        if float(level.alpha) == 0:  # there the guess does not depend on x, and no energy can be felt
            return guess.detach()
        return (guess - self.scale * level.sigma**2 / level.alpha * self._slope(guess, x)).detach()

    def _slope(self, guess: Tensor, to: Tensor) -> Tensor:
        """The gradient of each sample's own energy.

        Raises:
            Refused: the function gives no energy for each sample, or none that depends on it.
        """
        from torch.autograd import grad

        assert self.function is not None
        energy = self.function(guess)
        if tuple(energy.shape) != (len(guess),) or not energy.requires_grad:
            raise Refused(
                f"the energy of {len(guess)} samples has shape {tuple(energy.shape)}, or no gradient",
                "return one number a sample, computed from the guess by torch",
                "guidance",
            )
        return grad(energy.sum(), to)[0]


guidance = Energy
