"""The mean of several models of one shape: a soup (Wortsman et al. 2022), often better than each that is in it.

    python examples/soup.py OUT.safetensors MODEL.safetensors MODEL.safetensors [...]

The models are files that were trained on from one another, or from the same one, so that their weights belong
together. What is said of the model in OUT (steps, losses, names) is what the last file says of itself.
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.weights.header import read_header
from unnoise.weights.store import read_tensors, write_tensors


def mean(tensors: list[Tensor]) -> Tensor:
    """The mean, taken in float64, in the type of the last; numbers that are no weights are the last one's own."""
    last = tensors[-1]
    if not last.is_floating_point():
        return last
    return torch.stack([each.double() for each in tensors]).mean(0).to(last.dtype)


def main() -> None:
    parser = argparse.ArgumentParser(description="The mean of several models of one shape")
    parser.add_argument("out", type=Path, help="the file to write")
    parser.add_argument("models", type=Path, nargs="+", help="files of models, two or more")
    asked = parser.parse_args()
    try:
        mixed(asked.out, asked.models)
    except Refused as fault:
        raise SystemExit(f"soup: {fault}") from None
    print(asked.out)


def mixed(out: Path, models: list[Path]) -> None:
    """Write the mean of these models.

    Raises:
        Refused: it is one model alone, one of them is no model or would be written over, or their shapes differ.
    """
    if len(models) < 2 or out.resolve() in (path.resolve() for path in models):
        raise Refused("a mean needs two models or more, and a file of its own", "name OUT, then the models", "models")
    files = [read_tensors(path) for path in models]
    shapes = [{name: each.shape for name, each in file.items()} for file in files]
    if any(each != shapes[-1] for each in shapes):
        raise Refused("the models are not of one shape", "mix those that were trained on from one another", "models")
    made = {name: mean([file[name] for file in files]) for name in files[-1]}
    write_tensors(out, made, read_header(models[-1]).metadata)


if __name__ == "__main__":
    main()
