"""A request to generate: what the command line says and, where it is silent, a preset, a picture or a paused run."""

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, make_dataclass
from typing import Any, cast, get_type_hints

from unnoise.cli._parse import field_help
from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.tasks._plan import check_sampler
from unnoise.tasks.generate import Generate

HIDDEN = ("start",)
"""Fields that no option sets: a paused run is named by its file."""


def _words(task: type[Any]) -> type[Any]:
    """A task's fields, each None where it was not given; the help shows the task's own defaults."""
    hints, shape = get_type_hints(task), list[Any]()
    for each in (f for f in fields(task) if f.name not in HIDDEN):
        shown = "" if each.default in (MISSING, None, "", ()) else f"({each.default})"
        shape.append(
            (each.name, hints[each.name] | None, field(default=None, metadata={**each.metadata, "shown": shown}))
        )
    made = make_dataclass("Words", shape, frozen=True, kw_only=True)
    made.__doc__ = task.__doc__
    return made


WORDS = _words(Generate)
"""What `generate` takes of a picture."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where what is not given comes from; at most one of these.

    Args:
        preset: A preset's name, as 'unnoise preset save' keeps it.
        like: A picture whose settings are taken over, seed and model included; one of another program's will do.
        resume: A state that --pause-at saved. Goes on from it; what is given holds from there on.
        refine: A picture to make again with more --steps. Takes the picture's own way to where it is half noise, so
            that its composition stays, and finer steps from there on.
    """

    preset: str | None = field(default=None, metadata={"metavar": "NAME"})
    like: str | None = field(default=None, metadata={"metavar": "PICTURE"})
    resume: str | None = field(default=None, metadata={"metavar": "FILE"})
    refine: str | None = field(default=None, metadata={"metavar": "PICTURE"})

    def check(self) -> None:
        """See that at most one is given.

        Raises:
            Refused: they are more.
        """
        if len(named := [f"--{f.name}" for f in fields(self) if getattr(self, f.name) is not None]) > 1:
            raise Refused(f"{' and '.join(named)} both say where settings come from", "give one of them", named[1])


def given(words: Any) -> dict[str, Any]:
    """The fields that were given on the command line."""
    return {f.name: value for f in fields(words) if (value := getattr(words, f.name)) is not None}


def merged(said: Mapping[str, Any], base: Mapping[str, Any]) -> Generate:
    """The request of what was said, the rest as in `base`, and what neither has as the model has it.

    A sampler that is named with its spacing, "DPM++ 2M Karras", brings that, too.

    Raises:
        Refused: there is no prompt.
    """
    values: dict[str, Any] = {
        k: tuple(cast(list[str], v)) if isinstance(v, list) else v for k, v in {**base, **said}.items()
    }
    if "sampler" in said and "spacing" not in said and check_sampler(said["sampler"], None, _PLAIN)[1]:
        values.pop("spacing", None)
    if "prompt" not in values:
        raise Refused("PROMPT is missing", field_help(Generate)["prompt"], "prompt")
    return Generate(**values)


_PLAIN = Description(name="", family="", width=1, height=1, multiple=1)
