"""From a user's words to how a model is read: parts by path or name, a family with its option, patterns."""

import os
from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

from unnoise.core.error import Refused
from unnoise.families import FAMILIES
from unnoise.families._source import ROLES, Reading
from unnoise.families._tokens import kind_of
from unnoise.weights.hub import SCHEME, fetch
from unnoise.weights.shelves import find

Paths = str | PathLike[str] | Sequence[str | PathLike[str]]
PREDICTED = ("epsilon", "v")


def reading(parts: "Mapping[str, Paths] | None" = None, family: str = "", ignore_keys: "Sequence[str]" = ()) -> Reading:
    """How a model is to be read, where its files do not say.

    Args:
        parts: files or folders to take a part from: `network`, `vae`, `text` or `tokenizer`.
        family: its family's name, such as sd2, or sd2:prediction=v; recognised where empty.
        ignore_keys: patterns of tensors' names that may be left over.

    Raises:
        Refused: there is no such role, file or family.
    """
    found = dict[str, list[Path]]()
    for role, words in (parts or {}).items():
        if role not in ROLES:
            raise Refused(f"there is no part '{role[:60]}'", f"one of {', '.join(ROLES)}", "part")
        several = [words] if isinstance(words, str | PathLike) else words
        found[role] = [_part(role, os.fspath(word)) for word in several]
    name, _, option = family.partition(":")
    key, _, prediction = option.partition("=")
    if name:
        FAMILIES[name]  # refuses a name that there is not
    if option and (key != "prediction" or prediction not in PREDICTED):
        raise Refused(f"a family has no option '{option[:60]}'", f"write {name}:prediction=v or epsilon", "family")
    return Reading(parts=found, family=name, ignored=tuple(ignore_keys), prediction=prediction)


TOKENIZERS = ("tokenizer.json", "spiece.model", "vocab.json")


def _part(role: str, word: str) -> Path:
    if word.startswith(SCHEME):
        if role != "tokenizer":
            what = f"'{word[:80]}' is a {role}, and only tokenizers are fetched"
            raise Refused(what, "download it, and give its path", "part")
        return fetch(word, TOKENIZERS[:2])
    try:
        path = Path(word).expanduser()
        if role != "tokenizer":
            return find(word)
        if kind_of(path) is None:
            raise Refused(
                f"there is no tokenizer {word[:200]!r}", f"name {' or '.join(TOKENIZERS)}, or its folder", "part"
            )
        return path
    except Refused as refused:
        if role != "tokenizer" and not Path(word).expanduser().exists():
            what = f"there is no file or folder {word[:200]!r} to take the part {role} from"
            raise Refused(what, f"check the path in --part {role}=PATH", "part") from None
        raise Refused(refused.what, refused.remedy, "part") from None
    except (OSError, ValueError, RuntimeError):
        raise Refused(f"there is no {role} {word[:200]!r}", "check the path", "part") from None
