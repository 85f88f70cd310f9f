"""CLIP's tokenizer from the files that it comes in: transformers' `tokenizer.json`, or `vocab.json` beside
`merges.txt`, or OpenAI's list of merges, `bpe_simple_vocab_16e6.txt.gz`.

All give the same byte-pair encoding (Radford et al. 2021, section 2.4): composed characters, lower case, white space as
one space; then words, single digits and runs of other signs; then bytes, merged pair by pair.
"""

import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any
from weakref import WeakValueDictionary

from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

from unnoise.core.error import Refused
from unnoise.text._stranger import guarded, read_tokenizer
from unnoise.text._words import Words

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
LARGEST = 64 * 2**20
MERGES = 48_894
"""How many of OpenAI's merges count: 49,408 tokens without 2 x 256 bytes and the two marks."""
_PIECES = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
_IN_USE: WeakValueDictionary[bytes, Tokenizer] = WeakValueDictionary()
"""Tokenizers by what their files hold: models have the same ones, and some have one twice."""


def clip_words(path: Path, pad: str = END) -> Words:
    """The tokenizer in a folder or a file.

    Args:
        path: a folder with `tokenizer.json`, or `vocab.json` and `merges.txt`; or one of these files, or OpenAI's.
        pad: what fills windows up, where the folder's `tokenizer_config.json` does not say: SD 1, SD 3's first and
            Flux have the end mark; SD 2 and the second of SDXL and SD 3 have "!".

    Raises:
        Refused: there is none, or it is damaged.
    """
    file = _file(path)
    if file.name.endswith(".json") and file.name != "vocab.json":
        tokenizer = whole(file)
    elif file.suffix in (".gz", ".txt") and file.name != "merges.txt":
        text = _text(file)
        tokenizer = _once(text, lambda: _openai(file, text))
    else:
        file = file.with_name("vocab.json")
        vocabulary, merges = _text(file), _text(file.with_name("merges.txt"))
        tokenizer = _once(vocabulary + merges, lambda: _paired(file, vocabulary, merges))
    begin, end = _token(tokenizer, BEGIN, file), _token(tokenizer, END, file)
    return Words(tokenizer, begin, end, _token(tokenizer, _said_pad(file) or pad, file))


def _once(text: str, make: Callable[[], Tokenizer]) -> Tokenizer:
    key = sha256(text.encode()).digest()
    found = _IN_USE.get(key)
    if found is None:
        found = _IN_USE[key] = make()
    return found


class _Merges(Sequence[tuple[str, str]]):
    """The pairs that lines hold, each made when it is asked for.

    Fifty thousand tuples at once would have Python look for garbage in all it holds, which takes longer than the rest.
    """

    def __init__(self, lines: list[str]) -> None:
        self.lines = [line for line in lines if len(line.split()) == 2]

    def __len__(self) -> int:
        return len(self.lines)

    def __getitem__(self, index: Any) -> Any:
        return tuple(self.lines[index].split())

    def __iter__(self) -> Iterator[Any]:
        return map(tuple, map(str.split, self.lines))


def _openai(file: Path, text: str) -> Tokenizer:
    merges = _Merges(text.split("\n")[1 : 1 + MERGES])
    return _built(file, _numbered(merges), merges)


def _paired(file: Path, vocabulary: str, merges: str) -> Tokenizer:
    lines = [line for line in merges.split("\n") if not line.startswith("#version")]
    return _built(file, _json(file, vocabulary), _Merges(lines))


def _built(file: Path, vocabulary: Any, merges: _Merges) -> Tokenizer:
    parts: dict[str, Any] = {"unk_token": END, "end_of_word_suffix": "</w>", "fuse_unk": False}
    with guarded(f"{file} is no whole tokenizer"):
        tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=merges, continuing_subword_prefix="", **parts))
    spaces = normalizers.Replace(Regex(r"\s+"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), spaces, normalizers.Lowercase()])
    pieces = pre_tokenizers.Split(Regex(_PIECES), behavior="removed", invert=True)
    letters = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pieces, letters])
    tokenizer.add_special_tokens([AddedToken(mark, special=True) for mark in (BEGIN, END)])
    return tokenizer


def _numbered(merges: _Merges) -> dict[str, int]:
    """Tokens in the order of OpenAI's: every byte, every byte that ends a word, every merge, the two marks."""
    printable = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters = [chr(b) for b in printable] + [chr(256 + i) for i in range(256 - len(printable))]
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(m) for m in merges), BEGIN, END]
    return {token: i for i, token in enumerate(tokens)}


def _file(path: Path) -> Path:
    if not path.is_dir():
        return path
    for name in ("tokenizer.json", "vocab.json"):
        if (path / name).is_file():
            return path / name
    raise Refused(f"there is no tokenizer in {path}", "it needs tokenizer.json, or vocab.json and merges.txt", "model")


def whole(file: Path) -> Tokenizer:
    """A `tokenizer.json` as it says. Raises as `clip_words` does."""
    text = _text(file)
    return _once(text, lambda: read_tokenizer(text, str(file)))


def _text(file: Path) -> str:
    try:
        with file.open("rb") as raw:
            content = raw.read(LARGEST + 1)
        if content[:2] == b"\x1f\x8b":
            with gzip.GzipFile(fileobj=io.BytesIO(content)) as packed:
                content = packed.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise damaged(file, "it is too large")
        return content.decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise damaged(file, getattr(error, "strerror", None) or str(error)) from None


def _json(file: Path, text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise damaged(file, "it is no JSON") from None


def _said_pad(file: Path) -> str:
    """What the folder says that windows are filled up with; nothing where it does not say."""
    beside = file.with_name("tokenizer_config.json")
    said = _json(beside, _text(beside)) if beside.is_file() else {}
    pad = said.get("pad_token") if isinstance(said, dict) else None
    pad = pad.get("content") if isinstance(pad, dict) else pad
    return pad if isinstance(pad, str) else ""


def _token(tokenizer: Tokenizer, token: str, file: Path) -> int:
    # The vocabularies spell a letter that ends a word with its mark.
    found = [n for t in (token, token + "</w>") if (n := tokenizer.token_to_id(t)) is not None]
    if not found:
        raise damaged(file, f"it has no token {token[:20]!r}")
    return found[0]


def damaged(file: Path, why: str) -> Refused:
    return Refused(f"{file} is no whole tokenizer", " ".join(why.split())[:120], "model")
