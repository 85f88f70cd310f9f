"""Tokenizers in the files that transformers looks for: a folder's own, taken over, or written anew."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer, processors

from unnoise.core.error import Refused
from unnoise.text._clip_files import BEGIN, END
from unnoise.text._words import Words

FILES = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "spiece.model",
    "special_tokens_map.json",
    "added_tokens.json",
)
T5_WINDOW = 512


def copy_files(source: Path, folder: Path) -> None:
    """Take over what transformers knows of a tokenizer's folder.

    Raises:
        Refused: a file cannot be read.
    """
    folder.mkdir()
    for name in FILES:
        try:
            if (source / name).is_file():
                shutil.copyfile(source / name, folder / name)
        except OSError as error:
            raise Refused(f"cannot copy {source / name}", error.strerror or "check the path", "model") from None


def write_clip(words: Words, window: int, folder: Path) -> None:
    """CLIP's byte pairs: vocab.json and merges.txt.

    Args:
        window: how many tokens the encoder reads.

    Raises:
        Refused: they are no byte pairs.
    """
    folder.mkdir()
    model = json.loads(words.tokenizer.to_str())["model"]
    if "merges" not in model:
        raise Refused("the tokenizer of CLIP is none of byte pairs", "give one with --part tokenizer=PATH", "part")
    merges = [pair if isinstance(pair, str) else " ".join(pair) for pair in model["merges"]]
    _write(folder / "vocab.json", json.dumps(model["vocab"], ensure_ascii=False))
    _write(folder / "merges.txt", "\n".join(["#version: 0.2", *merges, ""]))
    pad = words.tokenizer.id_to_token(words.pad)
    marks = {"bos_token": BEGIN, "eos_token": END, "unk_token": END, "pad_token": pad}
    _write_marks(marks, {"tokenizer_class": "CLIPTokenizer", "model_max_length": window}, folder)


def write_t5(words: Words, folder: Path) -> None:
    """T5's pieces: tokenizer.json."""
    folder.mkdir()
    tokenizer = Tokenizer.from_str(words.tokenizer.to_str())
    end = tokenizer.id_to_token(words.end)
    tokenizer.post_processor = processors.TemplateProcessing(f"$A {end}", f"$A {end} $B {end}", [(end, words.end)])
    _write(folder / "tokenizer.json", tokenizer.to_str())
    marks = {"eos_token": end, "unk_token": "<unk>", "pad_token": tokenizer.id_to_token(words.pad)}
    _write_marks(marks, {"tokenizer_class": "T5Tokenizer", "extra_ids": 100, "model_max_length": T5_WINDOW}, folder)


def _write_marks(marks: Mapping[str, str | None], about: Mapping[str, Any], folder: Path) -> None:
    _write(folder / "tokenizer_config.json", json.dumps({**about, **marks}, indent=2))
    _write(folder / "special_tokens_map.json", json.dumps(dict(marks), indent=2))


def _write(path: Path, text: str) -> None:
    path.write_text(text + "\n" if text.endswith("}") else text, encoding="utf-8")
