"""From words on the command line to frozen dataclasses, through tyro.

A command declares what it takes as a dataclass. Fields become options, in groups where a field is a dataclass itself,
and their lines under "Args:" become the help. Fields of the names in `UNNAMED` are given without their name. What
cannot be read is Refused in one line, with the nearest option where one is close.
"""

import contextlib
import difflib
import inspect
import io
import re
from collections.abc import Sequence
from dataclasses import MISSING, Field, fields, is_dataclass
from typing import Annotated, Any, NoReturn, TypeVar, cast, get_type_hints

import tyro
from tyro.conf import FlagCreatePairsOff, OmitArgPrefixes, Positional
from tyro.constructors import (
    ConstructorRegistry,
    PrimitiveConstructorSpec,
    StructConstructorSpec,
    StructFieldSpec,
    StructTypeInfo,
)

from unnoise.cli._readers import Reader, reader
from unnoise.core.error import Refused

T = TypeVar("T")

UNNAMED = ("image", "file", "what", "pictures", "prompt")
"""Fields that are given without their name."""

METAVARS = {
    "device": "cpu|cuda|mps",
    "dtype": "TYPE",
    "guidance": "G|NAME",
    "height": "H",
    "latents_out": "FILE",
    "model": "NAME|PATH",
    "out": "DIR|FILE",
    "preview": "FILE",
    "sampler": "NAME",
    "schedule": "NAME",
    "seed": "S",
    "spacing": "NAME",
    "trace": "FILE",
    "width": "W",
}
"""What stands for a value in the help, by the field's name, unless its metadata say; otherwise its type does.

Metadata may also hold `shown`, the default that the help tells where the field's own is not what counts; `named`,
whether it is given by name where `UNNAMED` says otherwise; and `repeated`, for a tuple's option that takes one value
and may be given again.
"""


class Misread(Exception):
    """A refusal on its way out of tyro, which would catch and box a ValueError."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(str(refused))
        self.refused = refused


def parse(kind: type[T], args: Sequence[str], prog: str) -> T:
    """Read a command's words; `--help` prints the help and exits.

    Args:
        kind: the dataclass to make.
        args: the words after the command's name.
        prog: what the user calls the command, such as "unnoise generate".
    Raises:
        Refused: an option is unknown, or a value missing or unreadable.
    """
    registry = ConstructorRegistry()
    registry.struct_rule(_struct)
    said = io.StringIO()
    config = (OmitArgPrefixes, FlagCreatePairsOff)
    try:
        with contextlib.redirect_stderr(said):
            made, unknown = tyro.cli(
                kind,
                prog=prog,
                description=inspect.cleandoc(kind.__doc__ or "").partition("\n\nArgs:")[0],
                args=_gathered(kind, args),
                registry=registry,
                config=config,
                return_unknown_args=True,
            )
    except Misread as misread:
        raise misread.refused from None
    except SystemExit as end:
        if not end.code:
            raise
        _explain(kind, args, prog, said.getvalue())
    if unknown:
        _refuse_unknown(kind, unknown[0], prog)
    return made


def field_help(kind: type[Any]) -> dict[str, str]:
    """What a dataclass's docstring, and those of what it extends, say of its fields under "Args:"."""
    found: dict[str, str] = {}
    for each in reversed([k for k in kind.__mro__ if is_dataclass(k)]):
        found |= _args(each.__doc__ or "")
    return found


def _args(doc: str) -> dict[str, str]:
    _, _, section = inspect.cleandoc(doc).partition("Args:\n")
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?=    \w)", "\n" + section.partition("\n\n")[0]):
        names, colon, text = entry.strip().partition(": ")
        if colon:
            found |= dict.fromkeys(names.split(", "), " ".join(text.split()))
    return found


def options(kind: type[Any]) -> dict[str, Field[Any]]:
    """The fields given by name, as `--name`, those of groups included."""
    hints, found = get_type_hints(kind), dict[str, Field[Any]]()
    for field in fields(kind):
        if is_dataclass(inner := hints[field.name]):
            found |= options(cast(type, inner))
        elif _named(field):
            found["--" + field.name.replace("_", "-")] = field
    return found


def _gathered(kind: type[Any], args: Sequence[str]) -> list[str]:
    """The same words with all values of each repeated option behind one name, last: else the last would be the only
    one, and would take the words behind it for more."""
    found = {name: list[str]() for name, field in options(kind).items() if field.metadata.get("repeated")}
    end = args.index("--") if "--" in args else len(args)
    rest, words = list[str](), iter(args[:end])
    for word in words:
        name, equals, value = word.partition("=")
        if name not in found:
            rest.append(word)
        elif (value := value if equals else next(words, None)) is not None:
            found[name].append(value)
        else:
            raise Refused(f"{name} needs a value", f"write {name}=VALUE", name)
    behind = [word for name, values in found.items() if values for word in (name, *values)]
    return [*rest, *behind, *args[end:]]


def _struct(info: StructTypeInfo) -> StructConstructorSpec | None:
    """tyro's rule for our dataclasses."""
    if not is_dataclass(info.type):
        return None
    kind = cast(type[Any], info.type)
    helps, hints = field_help(kind), get_type_hints(kind)
    specs = tuple(_field(field, hints[field.name], helps.get(field.name)) for field in fields(kind))
    called = {f.name: _called(f) for f in fields(kind)}
    required = [f.name for f in fields(kind) if _default(f) is MISSING and not is_dataclass(hints[f.name])]

    def make(**values: Any) -> Any:
        for name in required:
            if values[name] is None:
                raise Misread(Refused(f"{called[name]} is missing", helps.get(name, "give it"), name))
        return kind(**values)

    return StructConstructorSpec(make, specs)


def _field(field: Field[Any], hint: Any, text: str | None) -> StructFieldSpec:
    if is_dataclass(hint):
        return StructFieldSpec(field.name, cast(type, hint), tyro.MISSING, text or "")
    default, called = _default(field), _called(field)
    required = default is MISSING
    silent = default is None or default == "" or isinstance(default, bool) or default == ()
    hint_text = "(required)" if required else "" if silent else f"({_shown(default)})"
    hint_text = str(field.metadata.get("shown", hint_text))
    found = reader(hint)
    usual = METAVARS.get(field.name, found.metavar) if called.startswith("--") else called
    metavar = str(field.metadata.get("metavar", usual))
    # What a word becomes is our reader's affair: for tyro to hold defaults against types would load a hundred modules.
    shape: Any = hint if hint is bool else Annotated[object, _spec(found, metavar, called)]
    shape = Annotated[shape, tyro.conf.arg(metavar=metavar or None, help_behavior_hint=hint_text)]
    if not called.startswith("--"):
        shape = Positional[shape]
    return StructFieldSpec(field.name, shape, None if required else default, text)


def _spec(reader: Reader, metavar: str, called: str) -> PrimitiveConstructorSpec[Any]:
    def read(word: str) -> Any:
        try:
            return reader.read(word)
        except ValueError:
            raise Misread(Refused(f"{called} cannot be '{word[:60]}'", f"it takes {reader.wanted}", called)) from None

    def made(words: list[str]) -> Any:
        return tuple(read(w) for w in words) if reader.many else read(words[0])

    def shown(value: Any) -> list[str]:
        return [str(v) for v in value or ()] if reader.many else [str(value)]

    return PrimitiveConstructorSpec("*" if reader.many else 1, metavar, made, lambda _: True, shown)


def _default(field: Field[Any]) -> Any:
    return field.default if field.default_factory is MISSING else field.default_factory()


def _named(field: Field[Any]) -> bool:
    return bool(field.metadata.get("named", field.name not in UNNAMED))


def _called(field: Field[Any]) -> str:
    """A field's name as people write it."""
    return "--" + field.name.replace("_", "-") if _named(field) else field.name.upper()


def _shown(default: Any) -> str:
    return ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)


def _explain(kind: type[Any], args: Sequence[str], prog: str, said: str) -> NoReturn:
    """Refuse what tyro refused, in one line."""
    named = options(kind)
    for word, value in zip(args, [*args[1:], "--"], strict=True):
        if word in named and value.startswith("-") and not isinstance(named[word].default, bool):
            raise Refused(f"{word} needs a value", f"write {word}=VALUE, or see '{prog} --help'", word)
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    box = plain.partition("\n")[2].partition("───")[0]
    text = re.sub(r"[╭╮╰╯│─]+", " ", box or plain)
    raise Refused(" ".join(text.split()).rstrip(".")[:300] or "cannot read the command line", f"see '{prog} --help'")


def _refuse_unknown(kind: type[Any], word: str, prog: str) -> NoReturn:
    if not word.startswith("-"):
        raise Refused(f"there is one word too many, '{word[:60]}'", "quote a text of several words, or see --help")
    name = word.partition("=")[0]
    if name in options(kind):
        raise Refused(f"{name} stands after --, where nothing is an option", f"put {name} before it")
    near = difflib.get_close_matches(name, options(kind), 1)
    hint = f"did you mean {near[0]}?" if near else f"see '{prog} --help'; a text that starts with a dash goes after --"
    raise Refused(f"unknown option '{name[:60]}'", hint)
