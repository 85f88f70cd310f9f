"""Make a LoRA of what a training changed in a model."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, cast

from unnoise.catalogue import describe, load
from unnoise.cli._parse import parse
from unnoise.cli._places import beside
from unnoise.cli._show import note, say, say_json
from unnoise.core.error import Refused
from unnoise.tasks._plan import check_number

MOST_RANK = 4096
STAYS = 2**20
"""So little memory that weights stay in their files, each looked at when its turn comes."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """Make a LoRA of what a training changed in a model.

    unnoise extract sd15.safetensors my-sd15.safetensors --out my.safetensors

    Args:
        base: The model before: a file, a folder, or a name.
        tuned: The model after.
        out: The .safetensors file to write, in the spelling that other programs read, too.
        rank: The most that a layer gets; more is closer, and larger.
        keep: How much of each layer's change is enough, from 0 to 1; layers that change little get a smaller rank.
        dtype: What the numbers are stored as.
        json: One JSON object on standard output, and nothing else there.
        quiet: Nothing but the file's name.
    """

    base: str = field(metadata={"named": False})
    tuned: str = field(metadata={"named": False})
    out: str = field(metadata={"metavar": "FILE"})
    rank: int = 32
    keep: float = 1.0
    dtype: Literal["float16", "bfloat16", "float32"] = "float16"
    json: bool = False
    quiet: bool = False


def command(args: list[str]) -> int:
    asked = parse(Asked, args, "unnoise extract")
    check_number(asked.rank, 1, MOST_RANK, "rank")
    if not 0 < asked.keep <= 1:
        raise Refused(f"keep {asked.keep:g} is out of range", "above 0, up to 1", "keep")
    path = cast(Path, beside(asked.out, (".safetensors",), "out", 1))
    titles = [describe(name).title for name in (asked.base, asked.tuned)]  # refuses before anything is read
    from torch import bfloat16, float16, float32

    from unnoise.adapters.extract import extract
    from unnoise.weights.store import write_tensors

    base, tuned = (load(name, "cpu", memory=STAYS) for name in (asked.base, asked.tuned))
    found = extract(base, tuned, asked.rank, asked.keep)
    kind = {"float16": float16, "bfloat16": bfloat16, "float32": float32}[asked.dtype]
    told = {"modelspec.title": path.stem, "ss_network_module": "networks.lora", "unnoise.of": titles[0]}
    write_tensors(path, {k: v.to(kind) for k, v in found.tensors.items()}, told)
    if found.left:
        note(f"left out, as no LoRA holds them: {', '.join(found.left)}"[:400], asked.json, asked.quiet)
    if asked.json:
        say_json(
            event="extracted", path=str(path), share=found.share, tensors=len(found.tensors), left=list(found.left)
        )
    else:
        say(str(path) if asked.quiet else f"{path}  {100 * found.share:.1f} % of what changed")
    return 0
