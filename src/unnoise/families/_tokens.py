"""The tokenizers of a model's text encoders: what is given, the folder's own, a person's, or the one that comes along.

CLIP's byte pairs come with the package. T5's pieces do not: they are found as `t5` under UNNOISE_HOME/tokenizers, a
folder or a file, where neither the model nor the command line has them.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from unnoise.core.error import Refused
from unnoise.core.home import home
from unnoise.families._source import Source

if TYPE_CHECKING:
    from unnoise.text._words import Words

Kind = Literal["clip", "t5"]
END, ZERO = "<|endoftext|>", "!"
"""What a window is filled up with: the end mark, or token 0."""


def clip(source: Source, folder: str = "tokenizer", pad: str = END) -> "Words":
    """CLIP's tokenizer.

    Args:
        folder: its own in a diffusers layout.
        pad: what fills windows up, where the folder does not say.
    """
    from unnoise.text._clip_files import clip_words

    found = _found(source, "clip", folder)
    if found is not None:
        return clip_words(found, pad) if isinstance(found, Path) else found
    return replace(_shipped(), pad=0) if pad == ZERO else _shipped()


@cache
def _shipped() -> "Words":
    """The one that comes along, read once: a model may want it twice, filled up with different tokens."""
    from unnoise.text._clip_files import clip_words

    return clip_words(Path(str(files("unnoise") / "text" / "bpe_simple_vocab_16e6.txt.gz")), END)


def t5(source: Source, folder: str) -> "Words":
    """T5's tokenizer.

    Raises:
        Refused: there is none.
    """
    from unnoise.text._t5_files import t5_words

    if (found := _found(source, "t5", folder)) is None:
        what = f"{source.path} has no tokenizer for T5"
        where = home() / "tokenizers"
        remedy = (
            f"put spiece.model or tokenizer.json of T5 v1.1 into {where / 't5'}, or give --part tokenizer=PATH "
            "(hub:google/t5-v1_1-xxl fetches it)"
        )
        raise Refused(what, remedy, "part")
    return t5_words(found) if isinstance(found, Path) else found


def _found(source: Source, kind: Kind, folder: str) -> "Path | Words | None":
    """Where a tokenizer lies: given, in the model's folder or our own file of it, or a person's own.

    Raises:
        Refused: the model says that it has one, and it is not there.
    """
    given = [path for other in source.given.get("tokenizer", ()) for path in other.tokenizers.values()]
    if (found := _first(given, kind)) is not None:
        return found
    if source.own is not None and folder in source.own.tokenizers:
        return _stated(source, source.own.tokenizers[folder])
    own = source.tokenizers.get(folder)
    if own is not None and not own.exists():
        remedy = "the model is not complete; download it, or give --part tokenizer=PATH"
        raise Refused(f"the folder {own} is missing", remedy, "model")
    return own or _first(_kept(), kind)


def _stated(source: Source, said: Mapping[str, Any]) -> "Words":
    """A tokenizer that a file of ours holds.

    Raises:
        Refused: it is none, or has tokens that its encoder does not know.
    """
    from unnoise.text._stranger import read_tokenizer
    from unnoise.text._words import Words

    vocabulary = said["vocabulary"]
    tokenizer = read_tokenizer(source.metadata.get(vocabulary, ""), f"{vocabulary[:60]!r} in {source.path}")
    begin, end, pad = said.get("begin"), said["end"], said["pad"]
    unknown = max(tokenizer.get_vocab().values(), default=0) >= said["limit"]
    if unknown or any(mark is not None and tokenizer.id_to_token(mark) is None for mark in (begin, end, pad)):
        what = f"{source.path} holds a tokenizer with tokens that its text encoder does not know, or lacks its marks"
        raise Refused(what, "the file is damaged", "model")
    return Words(tokenizer, begin, end, pad)


def _kept() -> list[Path]:
    folder = home() / "tokenizers"
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _first(paths: Iterable[Path], kind: Kind) -> Path | None:
    return next((path for path in paths if kind_of(path) == kind), None)


def kind_of(path: Path) -> Kind | None:
    """Whose tokenizer a folder or a file is; None where it is no tokenizer's."""
    if path.is_dir():
        names = ("tokenizer.json", "spiece.model", "vocab.json")
        return next((kind_of(path / name) for name in names if (path / name).is_file()), None)
    if path.suffix == ".model":
        return "t5"
    if path.name in ("vocab.json", "merges.txt") or path.suffix in (".gz", ".txt"):
        return "clip"
    return _told(path) if path.suffix == ".json" else None


def _told(path: Path) -> Kind | None:
    """What a tokenizer.json says it is."""
    try:
        with path.open("rb") as file:
            said = json.loads(file.read(64 * 2**20))
        model = said["model"]
    except (OSError, ValueError, RecursionError, LookupError, TypeError):
        return None
    if not isinstance(model, dict):
        return None
    return "clip" if "merges" in model else "t5" if "unk_id" in model else None  # not every file names its type
