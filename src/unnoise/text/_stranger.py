"""A stranger's tokenizer: the `tokenizers` library's own JSON, looked at before the library makes anything of it.

The library does as it is told: it fills rows up to any length, makes a text longer with every rule, asks for memory
without end, and what it panics at is no `Exception`. So what only fills up, cuts and frames rows is left out, as rows
are made here (text/_words.py); every step that changes a text is one of those known, whose growth is bounded; and
whatever the library makes of the rest is `Refused`.
"""

import json
from base64 import b64decode
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, cast

from tokenizers import Tokenizer

from unnoise.core.error import Refused
from unnoise.text._characters import check_characters

PROBE = "a photo of 2 Füchse, 猫 <|x|>\n"
"""What every tokenizer must be able to read."""
PLAIN = (
    *("Strip", "StripAccents", "Nmt", "Whitespace", "WhitespaceSplit", "Split", "Punctuation", "Digits"),
    *("BertPreTokenizer", "UnicodeScripts"),
)
GROWTH: Mapping[str, int] = {
    **dict.fromkeys(PLAIN, 1),
    "NFC": 3,
    "NFD": 4,
    **dict.fromkeys(("NFKC", "NFKD"), 18),
    "Lowercase": 2,
    "ByteLevel": 4,
    "Metaspace": 5,
}
"""The steps that tokenizers may have, and how many times longer each can make a text, in bytes; of `Replace`, `Prepend`
and `Precompiled`, it follows from what they hold."""
GROWN, STEPS = 1024, 32
"""How many times longer all steps together may make a text, and how many there may be."""
LONGEST, LETTERS, ADDED = 1000, 2**22, 10_000
"""The most letters of a token or a pattern, and of all tokens; and the most tokens beside the model's."""
DECODERS = ("ByteLevel", "Metaspace")
"""Ways back to a text that are kept: nothing here needs one."""
KINDS: Mapping[str, tuple[str, ...]] = {
    "BPE": ("vocab", "merges", "unk_token", "end_of_word_suffix", "fuse_unk", "byte_fallback", "ignore_merges"),
    "Unigram": ("vocab", "unk_id", "byte_fallback"),
}
"""The models that tokenizers may have, and what is read of them."""


def read_tokenizer(text: str, name: str) -> Tokenizer:
    """The tokenizer that a JSON states, without the rows' padding, truncation and marks.

    Args:
        name: what is said of it, such as its file.

    Raises:
        Refused: it is none, is damaged, or holds what would need memory or time without end.
    """
    with guarded(f"{name} is no whole tokenizer"):
        said = _table(json.loads(text))
        steps = [*_steps(said.get("normalizer")), *_steps(said.get("pre_tokenizer"))]
        check_growth(steps)
        added, decoder = said.get("added_tokens") or [], said.get("decoder")
        check_tokens((_table(each)["content"] for each in added), ADDED)
        kept = {
            "version": "1.0",
            "added_tokens": added,
            "normalizer": said.get("normalizer"),
            "pre_tokenizer": said.get("pre_tokenizer"),
            "decoder": decoder if decoder and _table(decoder).get("type") in DECODERS else None,
            "model": _model(_table(said["model"])),
        }
        tokenizer = Tokenizer.from_str(json.dumps(kept))
        tokenizer.encode(PROBE, add_special_tokens=False)
        return tokenizer


def encoded(tokenizer: Tokenizer, text: str) -> list[int]:
    """A text's tokens, without marks.

    Raises:
        Refused: the tokenizer, which is damaged, cannot read it.
    """
    with guarded("the model's tokenizer is damaged"):
        return tokenizer.encode(text, add_special_tokens=False).ids


def check_growth(steps: Iterable[Mapping[str, Any]]) -> None:
    """See that the steps are known, and do not make a text longer without end. Raises ValueError: they do."""
    grown = 1
    for count, step in enumerate(steps, 1):
        grown *= _growth(step)
        if grown > GROWN or count > STEPS:
            raise ValueError("its steps make a text longer without end")


def check_tokens(tokens: Iterable[str], most: int = LETTERS) -> None:
    """See that there are not too many tokens, and none too long. Raises ValueError: there are."""
    letters = 0
    for count, token in enumerate(tokens, 1):
        letters += len(token)
        if len(token) > LONGEST or letters > LETTERS or count > most:
            raise ValueError("its tokens are too long, or too many")


@contextmanager
def guarded(what: str) -> Generator[None]:
    """Whatever goes wrong is `Refused`: the library raises no type of its own, and panics with a BaseException."""
    try:
        yield
    except (Refused, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:
        why = str(error) if not isinstance(error, KeyError) else f"it has no {error}"
        raise Refused(what, " ".join(why.split())[:120] or "the file is damaged", "model") from None


def _steps(said: Any) -> Iterator[Mapping[str, Any]]:
    """The steps that a normalizer or a pre-tokenizer is made of."""
    if said is None:
        return
    step = _table(said)
    if step.get("type") != "Sequence":
        yield step
        return
    for name in ("normalizers", "pretokenizers"):
        for each in cast(list[Any], step.get(name) or []):
            yield from _steps(each)


def _growth(step: Mapping[str, Any]) -> int:
    kind, pattern = str(step.get("type")), str(step.get("pattern", ""))
    if len(pattern) > LONGEST:
        raise ValueError(f"its {kind[:20]} has a pattern that is too long")
    if kind in ("Replace", "Prepend"):
        return 1 + len(step["content" if kind == "Replace" else "prepend"].encode())
    if kind == "Precompiled":
        return 1 + check_characters(b64decode(step["precompiled_charsmap"], validate=True))
    if kind == "Metaspace" and len(step["replacement"]) != 1:
        raise ValueError("its mark of spaces is no single letter")
    if kind not in GROWTH:
        raise ValueError(f"it has a step that is not known here, {kind[:40]!r}")
    return GROWTH[kind]


def _model(said: Mapping[str, Any]) -> dict[str, Any]:
    """What is read of a model; not every file names its type."""
    kind = "BPE" if "merges" in said else "Unigram" if "unk_id" in said else "of another kind"
    vocabulary = said["vocab"]
    if said.get("type", kind) != kind or kind not in KINDS:
        raise ValueError(f"its model is {str(said.get('type', kind))[:40]}, and BPE and Unigram are known")
    check_tokens(vocabulary if kind == "BPE" else (piece for piece, _ in vocabulary))
    unknown: Any = said.get("unk_token" if kind == "BPE" else "unk_id")
    whole = isinstance(unknown, int) and 0 <= unknown < len(vocabulary)
    there = unknown is None or unknown in vocabulary if kind == "BPE" else whole
    if not there:
        raise ValueError("the token for what it does not know is not there")
    if said.get("continuing_subword_prefix") or said.get("dropout") or len(said.get("end_of_word_suffix") or "") > 16:
        raise ValueError("its model joins tokens in a way that is not known here")
    return {"type": kind, **{name: said[name] for name in KINDS[kind] if name in said}}


def _table(said: Any) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise ValueError("it is no table")
    return cast(dict[str, Any], said)
