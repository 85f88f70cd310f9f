"""AdamW, Muon for matrices, and how the rate rises and falls."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from unnoise.core.error import Refused
from unnoise.train.muon import Muon


@dataclass(frozen=True, kw_only=True)
class Optimizing:
    """Args:
    rate: the highest learning rate.
    muon: the rate of Muon for the blocks' matrices (Jordan et al. 2024; scaled to AdamW's step sizes as in Liu et al.
        2025); 0 trains all with AdamW.
    decay: decoupled weight decay, on matrices only.
    betas: AdamW's.
    warmup: steps of linear rise.
    cooldown: the share of all steps at the end over which the rate falls linearly to zero.
    clip: the largest norm of the whole gradient; 0 does not clip.

    Raises:
        Refused: a rate is below 0, or none.
    """

    rate: float = 3e-4
    muon: float = 0.0
    decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.99)
    warmup: int = 200
    cooldown: float = 0.3
    clip: float = 1.0

    def __post_init__(self) -> None:
        for name in ("rate", "muon"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise Refused(f"a learning rate of {getattr(self, name):g}", "give 0 or more", name)

    def factor(self, step: int, steps: int) -> float:
        """What the rate is multiplied with at a step, counted from 1."""
        rise = min(1.0, step / max(self.warmup, 1))
        fall = (steps - step + 1) / max(steps * self.cooldown, 1)
        return max(0.0, min(rise, fall, 1.0))


class Stepper(Protocol):
    """One role's optimizer: applies gradients at a share of its rate, and clears them."""

    def step(self, factor: float, /) -> Tensor:
        """The gradient's norm before clipping."""
        ...

    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any], /) -> None: ...


class Together:
    """Several torch optimizers over one role's parameters, stepped as one.

    Args:
        modules: what is trained.
        settings: how.
        matrices: which parameters Muon takes, by name, among those of two axes.
    """

    def __init__(self, modules: Sequence[nn.Module], settings: Optimizing, matrices: Callable[[str], bool]) -> None:
        named = [(n, p) for m in modules for n, p in m.named_parameters() if p.requires_grad]
        self.parameters = [p for _, p in named]
        self.clip = settings.clip
        muon = [p for n, p in named if settings.muon and p.ndim == 2 and matrices(n)]
        taken = set(map(id, muon))
        left = [p for p in self.parameters if id(p) not in taken]
        self.optimizers: list[torch.optim.Optimizer] = [_adamw(left, settings)]
        if muon:
            self.optimizers.append(Muon(muon, settings.muon, settings.decay))
        self.rates = [[group["lr"] for group in o.param_groups] for o in self.optimizers]

    def step(self, factor: float) -> Tensor:
        norm = self._clip()
        for optimizer, rates in zip(self.optimizers, self.rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        return norm

    def _clip(self) -> Tensor:
        norm = nn.utils.get_total_norm([p.grad for p in self.parameters if p.grad is not None])
        # Torch multiplies by one where nothing is to be clipped; on a CPU a look is cheaper than that pass over memory.
        if self.clip and (norm.device.type != "cpu" or not float(norm) + 1e-6 <= self.clip):
            nn.utils.clip_grads_with_norm_(self.parameters, self.clip, norm)
        return norm

    def state_dict(self) -> dict[str, Any]:
        return {str(i): o.state_dict() for i, o in enumerate(self.optimizers)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a state that `state_dict` gave.

        Raises:
            Refused: it is of other parameters.
        """
        if state.keys() != set(map(str, range(len(self.optimizers)))):
            raise Refused("the snapshot is of other optimizers", "start in another folder", "resume")
        for i, optimizer in enumerate(self.optimizers):
            optimizer.load_state_dict(state[str(i)])
            kept = ((p.shape, v) for p, values in optimizer.state.items() for v in values.values())
            if any(v.ndim and v.shape != shape for shape, v in kept):
                raise Refused("the snapshot's optimizers have other parameters", "start in another folder", "resume")


def _adamw(parameters: Iterable[nn.Parameter], settings: Optimizing) -> torch.optim.AdamW:
    parameters = list(parameters)
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": settings.decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], settings.rate, settings.betas, fused=True)
