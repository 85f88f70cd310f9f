"""What a model is and can do, known before any weight is read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

LARGEST = 4096
"""The longest side that any model takes, in pixels."""


@dataclass(frozen=True, kw_only=True)
class Description:
    """Read from headers alone.

    Args:
        name: what people call it.
        family: the checkpoint family that recognised it.
        title: one line for people.
        width, height: what it was trained on, in pixels.
        multiple: what a picture's sides must be multiples of, in pixels.
        largest: the longest side it takes, in pixels.
        channels: of its pictures, 3 for colour and 1 for grey.
        guidance: `free` (it can be run without a prompt, so negative prompts work), `embedded` or `none`.
        prompts: `text`, or `classes`, which takes one of `classes` and nothing else.
        classes: the names a class-conditional model knows.
        defaults: request fields and the values that suit this model (steps, guidance, sampler, spacing).
        parameters: how many numbers it holds.
        files: file name -> sha256.
        facts: anything else its header says, for people.
        reading: what had to be said for its files to be read, `family` and `ignore_keys`, where anything had.
    """

    name: str
    family: str
    title: str = ""
    width: int
    height: int
    multiple: int
    largest: int = 2048
    channels: int = 3
    guidance: Literal["free", "embedded", "none"] = "free"
    prompts: Literal["text", "classes"] = "text"
    classes: tuple[str, ...] = ()
    defaults: Mapping[str, str | int | float] = field(default_factory=dict[str, str | int | float])
    parameters: int = 0
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    facts: Mapping[str, str] = field(default_factory=dict[str, str])
    reading: Mapping[str, str | list[str]] = field(default_factory=dict[str, "str | list[str]"])
