"""What a set's own metadata says of a picture: captions and tags, out of JSON objects and text files."""

import json
from collections.abc import Mapping
from typing import Any, cast

from unnoise.core.error import Refused

CAPTIONS = ("caption", "text", "captions")
PICTURES = (".webp", ".png", ".jpg", ".jpeg")


def captions_of(record: Mapping[str, Any]) -> tuple[str, ...]:
    """The captions of a metadata object, from `caption`, `text` or `captions`: a string or a list of strings."""
    found = next((record[key] for key in CAPTIONS if record.get(key)), ())
    many = cast(list[Any], found) if isinstance(found, list) else [found] if found else []
    return _distinct(text for text in many if isinstance(text, str))


def captions_in(text: str) -> tuple[str, ...]:
    """The captions of a text file, one a line."""
    return _distinct(text.splitlines())


def tags_of(record: Mapping[str, Any], leave: tuple[str, ...] = ()) -> dict[str, str]:
    """Every other field of a metadata object as a string; lists are joined by ", ", objects and nulls left out."""
    return {key: text for key, value in record.items() if key not in (*CAPTIONS, *leave) and (text := _text(value))}


def parsed(data: bytes, where: str) -> dict[str, Any]:
    """A JSON object out of a file that somebody else wrote.

    Raises:
        Refused: it is none, naming `where`.
    """
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Refused(f"{where} is not JSON ({error})", "mend or remove it", "data") from None
    if not isinstance(found, dict):
        raise Refused(f"{where} is not a JSON object", 'write {"caption": "..."}', "data")
    return cast(dict[str, Any], found)


def decoded(data: bytes, where: str) -> str:
    """The text of a UTF-8 file, naming `where` if it is none."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Refused(f"{where} is not UTF-8 text", "save it as UTF-8", "data") from None


def _text(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(filter(None, map(_text, cast(list[Any], value))))
    if isinstance(value, dict) or value is None:
        return ""
    return _plain(value if isinstance(value, str) else json.dumps(value))


def _distinct(texts: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(filter(None, map(_plain, texts))))


def _plain(text: str) -> str:
    # Emoji keywords come with no-break spaces; a tokenizer should see one kind of space.
    return " ".join(text.split())
