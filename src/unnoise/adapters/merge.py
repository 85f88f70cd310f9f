"""Models merged: the weighted sum of their tensors, by blocks where the two halves of a U-Net should differ.

Weights add up to one: 0.7 and 0.3 of two models; or 1, 1 and -1, which puts what a third was trained from away again
("add difference"). Nothing is in memory but the tensors in hand.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.weights.header import read_header
from unnoise.weights.keymap import some
from unnoise.weights.lazy import Lazy, Made
from unnoise.weights.open import Stored

_LDM = re.compile(r"(?:model\.)?diffusion_model\.(input_blocks|middle_block|output_blocks)\.(\d+)\.")
_BLOCKS = {"input_blocks": "IN{:02d}", "middle_block": "MID", "output_blocks": "OUT{:02d}"}
_SPAN = re.compile(r"(IN|OUT)(\d{1,2})(?:-(?:IN|OUT)?(\d{1,2}))?|MID|M00|BASE", re.IGNORECASE)
_UNHELD = ("modelspec.hash_sha256", "modelspec.merged_from", "sshs_model_hash", "sshs_legacy_hash")
"""What a file says of its own bytes, and so no merge's does."""


@dataclass(frozen=True)
class Block:
    """The second model's share in some tensors.

    Args:
        pattern: IN00 to IN11, MID, OUT00 to OUT11 of a U-Net in its first naming, a span such as IN04-IN08, BASE for
            all that is none of them; or tensors' names with stars.
        share: from 0 to 1 as a rule.
    """

    pattern: str
    share: float

    def holds(self, name: str) -> bool:
        """Whether a tensor is among them."""
        if (span := _SPAN.fullmatch(self.pattern)) is None:
            return fnmatchcase(name, self.pattern)
        block, (side, first, last) = block_of(name), span.groups()
        if side is None:
            return block == {"M00": "MID"}.get(self.pattern.upper(), self.pattern.upper())
        side = side.upper()
        return block.startswith(side) and int(first) <= int(block.removeprefix(side)) <= int(last or first)


def block_of(name: str) -> str:
    """The block of a U-Net in its first naming that a tensor is in; BASE for any other."""
    found = _LDM.match(name)
    return _BLOCKS[found[1]].format(int(found[2])) if found else "BASE"


def merged(files: Sequence[tuple[Path, float]], blocks: Sequence[Block] = ()) -> tuple[Lazy, dict[str, str]]:
    """The tensors of a merge, each made when it is asked for, and the metadata for its file: the first one's.

    Args:
        files: models of the same layout, and how much of each.
        blocks: shares of the second of two; the first pattern that holds counts.
    Raises:
        Refused: there are fewer than two, weights do not add up to one, or the files do not hold the same tensors.
    """
    if len(files) < 2 or abs(sum(weight for _, weight in files) - 1) > 1e-6:
        said = ", ".join(f"{path.name}:{weight:g}" for path, weight in files)
        raise Refused(f"{said} add up to no whole model", "give two or more, with weights that add up to 1", "what")
    if blocks and len(files) != 2:
        raise Refused("blocks are shared between two models", f"not {len(files)}", "block")
    headers = [read_header(path) for path, _ in files]
    stored = [Stored(header) for header in headers]
    first = headers[0]
    for (path, _), header in zip(files[1:], headers[1:], strict=True):
        odd = sorted(
            k
            for k, v in {**first.shapes, **header.shapes}.items()
            if (first.shapes.get(k), header.shapes.get(k)) != (v, v)
        )
        if odd:
            what = f"{path.name} and {files[0][0].name} differ in {some(odd)}"
            raise Refused(what, "convert both to the same layout, or choose models of one kind", "what")
    shares = {name: _weights(name, [weight for _, weight in files], blocks) for name in first.tensors}
    if unused := next((b for b in blocks if not any(b.holds(name) for name in first.tensors)), None):
        raise Refused(
            f"no tensor is in the block '{unused.pattern[:60]}'", "see --help for how blocks are named", "block"
        )
    like = {name: stored[0][name].to("meta") for name in first.tensors}
    makers = {name: partial(_sum, stored, name, shares[name]) for name in first.tensors}
    told = {k: v for k, v in first.metadata.items() if k not in _UNHELD}
    return Lazy(Made(makers), like), told | {"modelspec.merged_from": ", ".join(path.name for path, _ in files)}


def _weights(name: str, usual: Sequence[float], blocks: Sequence[Block]) -> Sequence[float]:
    found = next((block.share for block in blocks if block.holds(name)), None)
    return usual if found is None else (1 - found, found)


def _sum(stored: Sequence[Mapping[str, Tensor]], name: str, weights: Sequence[float]) -> Tensor:
    """One tensor of the merge, in the first file's type; whole numbers are the first's."""
    first = stored[0][name]
    if not first.is_floating_point():
        return first
    total = torch.zeros(first.shape)
    for each, weight in zip(stored, weights, strict=True):
        total += weight * each[name].float()
    return total.to(first.dtype)
