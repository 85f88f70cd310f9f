"""A model from one layout into another: what follows from the names, and what cannot be."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast, get_args

from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.families import FAMILIES
from unnoise.families._folder import UNUSED, read_source
from unnoise.families._layouts import Layout, layout_of
from unnoise.families._source import Source

Target = Literal["diffusers", "original", "gguf", "unnoise"]
TARGETS: tuple[Target, ...] = get_args(Target)
DTYPES = ("float32", "bfloat16", "float16", "q8_0")
ENDINGS: Mapping[Target, str] = {"original": ".safetensors", "gguf": ".gguf", "unnoise": ".safetensors"}
WRITTEN = "end it in .safetensors or .gguf, or name a folder without an ending"


@dataclass(frozen=True)
class Written:
    """Args:
    target: the layout.
    parts: what was written, by the slots' names.
    left: what was there and was not, and why.
    """

    target: Target
    parts: tuple[str, ...]
    left: tuple[str, ...] = ()


def target_of(path: Path, asked: str, own: bool) -> Target:
    """The layout that a name asks for.

    Args:
        path: what is to be written.
        asked: the layout by its name; empty where the path's name tells.
        own: whether the model is in our own format.

    Raises:
        Refused: there is no such layout, or the name does not go with it.
    """
    if asked and asked not in TARGETS:
        raise Refused(f"there is no layout '{asked[:40]}'", f"one of {', '.join(TARGETS)}", "to")
    ending = path.suffix.lower()
    target = asked or _told(path, ending, own)
    wanted = ENDINGS.get(target, "")
    if wanted and ending != wanted:
        raise Refused(f"{path} is no name for the layout {target}", f"end it in {wanted}", "out")
    if not wanted and ending in ENDINGS.values():
        raise Refused(f"{path} is a file's name, and the layout {target} a folder", "name a folder", "out")
    return target


def _told(path: Path, ending: str, own: bool) -> Target:
    if ending == ".gguf":
        return "gguf"
    if ending == ".safetensors":
        return "unnoise" if own else "original"
    if path.is_dir() or not ending[1:].isalpha():  # such as my-model-v1.5
        return "diffusers"
    raise Refused(f"models are not written as {ending}", WRITTEN, "out")


def convert(source: Source, description: Description, path: Path, target: Target, dtype: str) -> Written:
    """Write a model in another layout, whole or not at all, each tensor by itself and its bits as they were.

    Args:
        source: the model.
        description: what its family says of it.
        path: a file, which is replaced, or a folder that is not there yet, or empty.
        dtype: what floating-point tensors become: one of `DTYPES`; empty leaves them as they are.

    Raises:
        Refused: the layout has no place for the model, needs a part that is not there, or cannot be written.
    """
    _check(source, path, target, dtype)
    if description.family == "native" and target == "unnoise":
        return _again(source, path, dtype)
    import torch

    from unnoise.families._networks import left_out, read_networks
    from unnoise.families._own import write_own
    from unnoise.families._pipeline import write_folder
    from unnoise.families._single import write_quantised, write_single

    layout = layout_of(description.family, source)
    kind = None if dtype in ("", "q8_0") else cast(torch.dtype, getattr(torch, dtype))
    networks = read_networks(source, layout, _needed(layout, target))
    names = tuple(network.slot.name for network in networks)
    left = [name for name, said in source.index.items() if name in UNUSED and isinstance(said, list) and any(said)]
    left += left_out(source, networks)
    if target == "gguf":
        write_quantised(path, networks[0], layout, kind, dtype == "q8_0")
        return Written(target, names[:1], (*names[1:], *left, *_unstated(source, path, description, layout, ())))
    if target == "unnoise":
        write_own(path, networks, layout, source, description, kind)
    elif target == "original":
        write_single(path, networks, layout, source, description, kind)
        left += _unstated(source, path, description, layout, names)
    else:
        write_folder(path, networks, layout, source, description, kind)
    return Written(target, names, tuple(left))


def _unstated(source: Source, path: Path, said: Description, layout: Layout, parts: Collection[str]) -> list[str]:
    """What a file of tensors alone, now written, does not say of the model, for people.

    Args:
        parts: what the file has, by the slots' names; with T5 it lacks its tokenizer.
    """
    family, written = FAMILIES[said.family], read_source(path)
    assert family.course is not None
    now = family.describe(written).defaults
    kept = all(said.defaults.get(name) == now.get(name) for name in ("sampler", "spacing"))
    kept = kept and family.course(source).spacing == family.course(written).spacing
    lost = [] if kept else ["the default sampler and spacing"]
    stated = {*source.tokenizers, *(source.own.tokenizers if source.own else ())}
    if any(
        name in parts and not pad and (folder in stated or source.given.get("tokenizer"))
        for folder, (name, pad) in layout.tokenizers.items()
    ):
        lost.append("the tokenizer of T5")
    return [f"{' and '.join(lost)}, which --to unnoise keeps"] if lost else []


def _check(source: Source, path: Path, target: Target, dtype: str) -> None:
    if dtype and dtype not in DTYPES:
        raise Refused(f"there is no type '{dtype[:40]}'", f"one of {', '.join(DTYPES)}", "dtype")
    if dtype == "q8_0" and target != "gguf":
        raise Refused("q8_0 is a type of GGUF alone", "name a .gguf file, or choose float16 or bfloat16", "dtype")
    read = (source.path, *(part for paths in source.reading.parts.values() for part in paths))
    if path.exists() and any(each.exists() and each.samefile(path) for each in read):
        raise Refused(f"{path} is the model itself, or a part of it", "name another file", "out")


def _needed(layout: Layout, target: Target) -> set[str]:
    """The slots without which a layout has no whole model; a single file may hold what there is."""
    if target in ("original", "gguf"):
        return set()
    return {slot.name for slot in layout.slots if slot.needed} | set(layout.needed if target == "diffusers" else ())


def _again(source: Source, path: Path, dtype: str) -> Written:
    """A model of our own in another type; what is quantised becomes the numbers that it stands for."""
    assert source.whole is not None
    from functools import partial

    import torch

    from unnoise.weights.lazy import Lazy
    from unnoise.weights.lazy import cast as cast_to
    from unnoise.weights.open import DTYPES as TYPES
    from unnoise.weights.open import open_tensors
    from unnoise.weights.safetensors_writer import write_safetensors

    entries = source.whole.header.tensors.items()
    like = {name: torch.empty(e.shape, dtype=TYPES.get(e.dtype, torch.float32), device="meta") for name, e in entries}
    lazy = Lazy(open_tensors(source.path), like)
    lazy = lazy.through(partial(cast_to, getattr(torch, dtype))) if dtype else lazy
    write_safetensors(path, lazy, source.metadata)
    return Written("unnoise", tuple(dict.fromkeys(name.partition(".")[0] for name in like)))
