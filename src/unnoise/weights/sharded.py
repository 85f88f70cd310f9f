"""Weights in several files, and which file is which in a folder.

An index (`*.safetensors.index.json`, or `*.bin.index.json`) says in which shard, a file beside it, each tensor lies.
The names come from a stranger: a shard is a plain file name, and every shard holds just what the index says.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

from unnoise.core.error import Refused
from unnoise.weights import safetensors
from unnoise.weights.entry import MOST, Entry, Header, broken

SHARDS = 1000
KIND = "sharded"


def read(path: Path, file: BinaryIO, whole: int) -> Header:
    """The headers of all shards as one.

    Raises:
        Refused: the index is damaged or points elsewhere, or a shard is missing, damaged, or holds something else.
    """
    if whole > safetensors.LONGEST:
        raise broken(path, f"an index of {whole:,} bytes is none", KIND)
    said = safetensors.parsed(path, file.read(whole))
    where, metadata = said.get("weight_map"), said.get("metadata", {})
    if not isinstance(where, dict) or not isinstance(metadata, dict):
        raise broken(path, "it has no weight_map that says which tensor lies in which file", KIND)
    listed = cast(dict[str, Any], where)
    shards: dict[str, set[str]] = {}
    for tensor, shard in listed.items():
        shards.setdefault(_checked(path, shard), set()).add(tensor)
    if len(listed) > MOST or len(shards) > SHARDS:
        raise broken(path, f"it lists {len(listed):,} tensors in {len(shards):,} files", KIND)
    texts = {str(k): str(v)[:1000] for k, v in cast(dict[str, Any], metadata).items()}
    tensors: dict[str, Entry] = {}
    for name in sorted(shards):
        shard = _shard(path, name)
        _check_same(path, name, shards[name], set(shard.tensors))
        tensors |= shard.tensors
        texts |= shard.metadata
    return Header(path, tensors, texts, KIND)


def weights_in(folder: Path, variant: str = "") -> Path:
    """The weights of a part in a diffusers or transformers folder: one file, or the index of several.

    Args:
        variant: such as `fp16`. Without one, what has no variant comes first, then whichever there is alone, and of the
            two halves the one with more digits.

    Raises:
        Refused: there are none, or several that differ in their variant only, and not in their type alone.
    """
    for name in _names(variant):
        if (folder / name).is_file():
            return folder / name
    others = (
        [] if variant else sorted({_variant(p) for p in folder.iterdir() if _variant(p)}) if folder.is_dir() else []
    )
    if len(others) == 1 or (others and {*others} <= {*HALVES}):
        return weights_in(folder, HALVES[0] if HALVES[0] in others else others[0])
    remedy = (
        f"move all variants away but one: {', '.join(others)}" if others else f"it should hold {next(_names(variant))}"
    )
    raise Refused(f"{folder} holds no weights{f' of variant {variant!r}' if variant else ''}", remedy, "model")


HALVES = ("fp16", "bf16")
"""Variants that differ from what has none in their type alone."""
_STEMS = ("diffusion_pytorch_model", "model", "pytorch_model")


def _names(variant: str) -> Iterator[str]:
    """What weights are called, the better format first. Programs put the variant in different places of an index's."""
    dotted = f".{variant}" if variant else ""
    for ending in ("safetensors", "bin"):
        for stem in _STEMS:
            yield f"{stem}{dotted}.{ending}"
            yield f"{stem}.{ending}.index{dotted}.json"
            if variant:
                yield f"{stem}.{ending}{dotted}.index.json"
                yield f"{stem}{dotted}.{ending}.index.json"


def _variant(path: Path) -> str:
    """The variant in a name such as `model.fp16.safetensors`; empty where there is none."""
    stem, *rest = path.name.split(".")
    known = ("safetensors", "bin", "index", "json")
    inner = [word for word in rest if word not in known]
    return inner[0] if stem in _STEMS and len(inner) == 1 and "-of-" not in path.name and rest[-1] in known else ""


def _checked(path: Path, name: Any) -> str:
    """A shard's name, where it names a file beside the index and nothing else."""
    if not isinstance(name, str) or not name.isprintable() or not 0 < len(name) < 256:
        raise broken(path, "a tensor lies in no file", KIND)
    if any(sign in name for sign in "/\\:") or name.startswith("."):
        raise broken(path, f"it points to {name[:80]!r}, which is no file beside it", KIND)
    return name


def _shard(path: Path, name: str) -> Header:
    from unnoise.weights.header import read_header  # which reads indices with this file

    shard = path.parent / name
    if not shard.exists():
        raise Refused(f"{path} is not complete", f"its shard {name} is missing; download it", "model")
    return read_header(shard, index=False)


def _check_same(path: Path, name: str, listed: set[str], held: set[str]) -> None:
    """See that a shard holds what the index says. So no tensor is in two shards, for an index lists each once."""
    for which, what in ((listed - held, "lacks"), (held - listed, "also holds")):
        if which:
            raise broken(path, f"its shard {name} {what} {sorted(which)[0][:60]!r}", KIND)
