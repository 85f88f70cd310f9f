"""Carry a model into another layout, every number as it was: a single file, a folder of diffusers, or GGUF."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from unnoise.catalogue import find, recognise
from unnoise.cli._options import Machine
from unnoise.cli._parse import parse
from unnoise.cli._places import user_path
from unnoise.cli._shelf import read_as
from unnoise.cli._show import note, say, say_json
from unnoise.families._converted import convert, target_of
from unnoise.families._folder import read_source
from unnoise.weights.shelves import is_model_folder


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Carry a model into another layout, with every number as it was.

    unnoise convert v1-5-pruned.ckpt sd15.safetensors

    unnoise convert sd15.safetensors sd15-folder

    unnoise convert flux1-dev.safetensors flux1-dev-q8.gguf --dtype q8_0

    Args:
        model: A file, a folder, or a model's name.
        out: What to write: NAME.safetensors for a single file, NAME.gguf, or a folder's name for diffusers' layout.
        to: The layout: diffusers, original, gguf or unnoise; told by the name by default.
        dtype: What numbers become: float32, bfloat16, float16, or q8_0 in GGUF; left as they are by default.
        part: A file or folder that a part of the model is taken from, as network=, vae=, text= or tokenizer=PATH; may
            be given again.
        family: What kind of model it is, such as sd2 or sd2:prediction=v; told by its tensors' shapes by default.
        ignore_keys: Tensors that may be left out of its file, such as "lora_*"; may be given again.
        json: One JSON object a line on standard output, and nothing else there.
        quiet: Nothing but what was made.
    """

    model: str = field(metadata={"named": False})
    out: str = field(metadata={"named": False})
    to: Literal["diffusers", "original", "gguf", "unnoise"] | None = None
    dtype: Literal["float32", "bfloat16", "float16", "q8_0"] | None = None
    part: tuple[str, ...] = field(default=(), metadata={"metavar": "ROLE=PATH", "repeated": True})
    family: str | None = field(default=None, metadata={"metavar": "NAME"})
    ignore_keys: tuple[str, ...] = field(default=(), metadata={"metavar": "PATTERN", "repeated": True})
    json: bool = False
    quiet: bool = False


def command(args: list[str]) -> int:
    asked = parse(Asked, args, "unnoise convert")
    path = user_path(asked.out, "OUT")
    how = read_as(Machine(part=asked.part, family=asked.family, ignore_keys=asked.ignore_keys))
    source = read_source(_there(asked.model), how)
    description = recognise(source).describe(source)
    target = target_of(path, asked.to or "", description.family == "native")
    done = convert(source, description, path, target, asked.dtype or "")
    if done.left:
        note(f"left out: {'; '.join(done.left)}", asked.json, asked.quiet)
    if asked.json:
        parts = list(done.parts)
        say_json(event="converted", path=str(path), layout=done.target, family=description.family, parts=parts)
    else:
        say(str(path))
    return 0


def _there(name: str) -> Path:
    """The model's file or folder: what lies under that name here, and else what is called so elsewhere."""
    path = user_path(name, "MODEL")
    return path if path.is_file() or is_model_folder(path) else find(name)
