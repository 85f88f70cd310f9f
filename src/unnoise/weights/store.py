"""Reading and writing tensors, whole or not at all."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from unnoise.core.error import Refused
from unnoise.media.atomic import staged
from unnoise.weights.open import open_tensors
from unnoise.weights.place import finite


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a file, on the CPU, as stored; `open_tensors` gives them as they are asked for.

    Raises:
        Refused: the file is not whole, or holds a number that is not finite.
    """
    tensors = dict(open_tensors(path))
    for name, tensor in tensors.items():
        if not finite(tensor):
            raise Refused(f"{path}: tensor {name!r} holds numbers that are not finite", "the file is damaged", "model")
    return tensors


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file under its final name only when it is whole and on the disk.

    Raises:
        Refused: the folder cannot be written to, or is full.
    """
    whole = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"cannot write {path}", error.strerror or str(error), "out") from None
    with staged(path) as beside:
        try:
            save_file(whole, beside, dict(metadata))
        except SafetensorError as error:
            raise Refused(f"cannot write {path}", str(error)[:200], "out") from None
        beside.chmod(0o644)  # the library makes files that only their owner can read
