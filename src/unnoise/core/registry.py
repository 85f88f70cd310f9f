"""A folder is a registry: a file's name is the key, and the file is imported when first asked for.

An entry's module holds its value under the folder's word (`sampler` in samplers/, `spacing` in spacings/) and may list
the field's other names for it in `aliases`. A spec is a name with options, `ddim:eta=0.5,other=1`.
"""

import ast
import difflib
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from importlib import import_module
from importlib.resources import files
from types import SimpleNamespace
from typing import Any, Generic, TypeVar, cast, get_args, get_origin, get_type_hints

from unnoise.core.error import Refused

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Registry(Mapping[str, T], Generic[T]):
    """The entries of a folder of this package.

    Args:
        package: the folder's import path.
        word: the attribute that holds an entry's value, and what people call one.
    """

    package: str
    word: str

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The entries' names, read from the folder alone; a file without a value under the word is none."""
        names = (path.name[:-3] for path in files(self.package).iterdir() if path.name.endswith(".py"))
        value = re.compile(rf"^(?:def )?{self.word}\b *[:=(]", re.MULTILINE)
        return tuple(sorted(n for n in names if not n.startswith("_") and value.search(self._source(n))))

    @cached_property
    def aliases(self) -> Mapping[str, str]:
        """Other names -> specs, folded by `fold`; read from the sources without importing them."""
        own = {fold(name): name for name in self.names}
        return own | {fold(a): s for name in self.names for a, s in _aliases(self._source(name), name).items()}

    def other_names(self, name: str) -> tuple[str, ...]:
        """What else people call an entry, as they spell it."""
        return tuple(_aliases(self._source(name), name))

    def _source(self, name: str) -> str:
        return files(self.package).joinpath(name + ".py").read_text(encoding="utf-8")

    def summary(self, name: str) -> str:
        """The first line of an entry's docstring, without importing it."""
        text = ast.get_docstring(ast.parse(self._source(name))) or ""
        return text.split("\n", 1)[0]

    def __getitem__(self, key: str) -> T:
        if key not in self.names:
            what, known = f"there is no {self.word} '{key[:60]}'", ", ".join(self.names)
            raise UnknownName(what, f"{self._meant(key)}one of {known}", self.word)
        return cast(T, getattr(import_module(f"{self.package}.{key}"), self.word))

    def _meant(self, key: str) -> str:
        """The name that is most like a wrong one, as a question: an entry's own, or else one that people call it by."""
        near = difflib.get_close_matches(key, self.names, 1, 0.6)
        if not near:
            others = {fold(other): other for name in self.names for other in self.other_names(name)}
            near = [others[n] for n in difflib.get_close_matches(fold(key[:60]), others, 1, 0.6)]
        return f"did you mean '{near[0]}'? " if near else ""

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    def make(self, spec: str) -> Any:
        """The entry a spec describes, with its options set.

        Raises:
            Refused: the name, an option or a value is none the entry knows.
        """
        name, preset, text = self._read(spec)
        maker, who = cast(Callable[..., Any], self[name]), f"{self.word} '{name}'"
        return maker(**options(maker, preset, who, self.word) | options(maker, text, who, self.word))

    def resolve(self, spec: str) -> str:
        """The same spec by the entry's own name; raises as `make` does."""
        self.make(spec)
        name, preset, text = self._read(spec)
        settings = ",".join(filter(None, (preset, text)))
        return f"{name}:{settings}" if settings else name

    def _read(self, spec: str) -> tuple[str, str, str]:
        """An entry's name, the options its other name stands for, and those given."""
        name, _, text = spec.partition(":")
        if name in self.names:
            return name, "", text
        known, _, preset = self.aliases.get(fold(name), name).partition(":")
        return known, preset, text


class UnknownName(Refused, KeyError):
    """No entry of this name."""

    __str__ = ValueError.__str__


def fold(name: str) -> str:
    """A name as people vary it: case, spaces, dots and dashes do not count."""
    return re.sub(r"[^a-z0-9+]", "", name.lower())


def options(maker: Callable[..., Any], text: str, who: str, field: str) -> dict[str, Any]:
    """Parse "name=value,name=value" against a dataclass's fields."""
    known = field_types(maker)
    found: dict[str, Any] = {}
    for part in filter(None, (p.strip() for p in text.split(","))):
        name, equals, value = part.partition("=")
        name = name.strip()
        if not equals or name not in known:
            last = next(reversed(found), "")
            if not equals and get_origin(known.get(last)) is tuple:
                raise Refused(
                    f"{who}, option {last}: a comma ends it", f"part its values by spaces, {last}=3 2 1", field
                )
            raise Refused(f"{who} has no option '{part}'", _options_meant(name, known), field)
        if name in found:
            raise Refused(f"{who} is given {name} twice", "give it once", field)
        found[name] = _parse(value.strip(), known[name], f"{who}, option {name}", field)
    return found


def _options_meant(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name[:60], known, 1, 0.6)
    hint = f"did you mean '{near[0]}'? " if near else ""
    return f"{hint}its options are {', '.join(sorted(known))}" if known else "it has no options"


def field_types(maker: Callable[..., Any]) -> dict[str, Any]:
    """The types of a dataclass's fields, of those that it is made with."""
    # Options alone are resolved: a class's other annotations may be names imported for type checkers only.
    written = {f.name: f.type for f in fields(cast(Any, maker)) if f.init}
    return get_type_hints(SimpleNamespace(__annotations__=written), vars(sys.modules[maker.__module__]))


def _parse(value: str, kind: Any, who: str, field: str) -> Any:
    if get_origin(kind) is tuple:
        return tuple(_parse(v, get_args(kind)[0], who, field) for v in re.split(r"[\s;]+", value) if v)
    choices = [c for c in get_args(kind) if isinstance(c, str)]
    if choices:
        if value not in choices:
            raise Refused(f"{who}: '{value}' is none of its values", f"one of {', '.join(choices)}", field)
        return value
    if kind is bool:
        if value.lower() not in ("true", "false", "1", "0", "yes", "no"):
            raise Refused(f"{who}: '{value}' is neither true nor false", "write true or false", field)
        return value.lower() in ("true", "1", "yes")
    try:
        made = next((k for k in (kind, *get_args(kind)) if k in (int, float, str)), str)(value)
    except ValueError:
        raise Refused(f"{who}: '{value}' is no number", "write a number", field) from None
    if isinstance(made, float) and not abs(made) < float("inf"):
        raise Refused(f"{who}: {value} is no finite number", "write a finite number", field)
    return made


def _aliases(source: str, name: str) -> dict[str, str]:
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and any(isinstance(t, ast.Name) and t.id == "aliases" for t in node.targets):
            value = ast.literal_eval(node.value)
            return dict(value) if isinstance(value, dict) else dict.fromkeys(value, name)
    return {}
