"""Keep settings under a name: save, list, show and delete presets."""

from dataclasses import dataclass, field, make_dataclass
from pathlib import Path
from typing import Any

from unnoise.adapters import shelf as adapters
from unnoise.adapters.control import parsed_control
from unnoise.adapters.strength import parsed
from unnoise.catalogue import describe, is_path
from unnoise.cli import _presets as presets
from unnoise.cli._options import Said
from unnoise.cli._parse import parse
from unnoise.cli._request import WORDS, given, merged
from unnoise.cli._shelf import others, renamed
from unnoise.cli._show import plain, say, say_json
from unnoise.core.error import Refused

HELP = """usage: unnoise preset save NAME [PROMPT] [OPTIONS]
       unnoise preset list | show NAME | delete NAME

Keep settings under a name, for 'unnoise generate --preset NAME'.

  save    keep these options of generate, in place of what the name held before
  list    every preset
  show    what one holds
  delete  take one away

What is given to generate counts more than its preset, and a preset more than the model's own defaults.
'unnoise preset save --help' has the options. Presets are files in UNNOISE_HOME/presets."""


Asked: Any = make_dataclass(
    "Asked", [("picture", WORDS), ("said", Said, field(default_factory=Said))], frozen=True, kw_only=True
)
Asked.__doc__ = """Keep options under a name.

unnoise preset save mine --sampler "DPM++ 2M Karras" --steps 12
"""


@dataclass(frozen=True, kw_only=True)
class Named(Said):
    """Tell what a preset holds, or take it away.

    Args:
        file: The preset's name.
    """

    file: str


def command(args: list[str]) -> int:
    actions = {"save": _save, "list": _list, "show": _show, "delete": _delete}
    if args[:1] in (["--help"], ["-h"]):
        say(HELP)
        return 0
    if not args or args[0] not in actions:
        what = f"'{args[0][:60]}' is nothing to do with a preset" if args else "it is not said what to do"
        raise Refused(what, "one of save, list, show, delete; see 'unnoise preset --help'", "preset")
    actions[args[0]](args[1:])
    return 0


def _save(args: list[str]) -> None:
    name = "" if not args or args[0].startswith("-") else args[0]
    asked = parse(Asked, args[1:] if name else args, "unnoise preset save NAME")
    values = given(asked.picture)
    if not name:
        raise Refused("NAME is missing", "the preset's name comes first", "preset")
    if not values:
        raise Refused("there is nothing to keep", "give some of the options of 'unnoise generate'", "preset")
    if is_path(str(values.get("model", ""))):
        values["model"] = _absolute(values["model"])
    for file in filter(is_path, others(values.get("guidance"))):
        values["guidance"] = renamed(values["guidance"], file, _absolute(file))
    if "lora" in values:
        values["lora"] = tuple(map(_placed, values["lora"]))
    if "embedding" in values:
        values["embedding"] = tuple(_found(name, "embedding") for name in values["embedding"])
    if "control" in values:
        wanted = map(parsed_control, values["control"])
        values["control"] = tuple(str(w.at(_found(w.name, "control"), _absolute(w.image))) for w in wanted)
    task = merged(values, {"prompt": ""})
    task.plan(describe(task.model))  # refuses what no run could honour, while the user is here
    path = presets.save(name, values)
    if asked.said.json:
        say_json(event="preset", name=name, path=str(path), request=values)
    else:
        say(str(path))


def _absolute(path: str) -> str:
    """A file as it is found from any folder."""
    return str(Path(path).expanduser().absolute())


def _found(name: str, role: adapters.Role) -> str:
    """An adapter's file as it is found from any folder; a name stays."""
    return _absolute(name) if adapters.is_path(name, role) else name


def _placed(spec: str) -> str:
    """An adapter with its strength, its file as it is found from any folder."""
    wanted = parsed(spec)
    return f"{_absolute(wanted.name)}:{wanted.strength}" if adapters.is_path(wanted.name, "lora") else spec


def _list(args: list[str]) -> None:
    said = parse(Said, args, "unnoise preset list")
    known = presets.names()
    width = max(map(len, known), default=0)
    for name in known:
        try:
            values, fault = presets.load(name), ""
        except Refused as refused:
            values, fault = dict[str, Any](), str(refused)
        if said.json:
            say_json(name=name, request=values, **({"fault": fault} if fault else {}))
        else:
            say(plain(f"{name.ljust(width)}  {fault or _words(values)}"))


def _show(args: list[str]) -> None:
    asked = parse(Named, args, "unnoise preset show")
    values = presets.load(asked.file)
    if asked.json:
        say_json(name=asked.file, request=values)
    else:
        width = max(map(len, values), default=0)
        say("\n".join(f"{k.ljust(width)}  {plain(str(v))}" for k, v in values.items()))


def _delete(args: list[str]) -> None:
    asked = parse(Named, args, "unnoise preset delete")
    presets.delete(asked.file)
    if asked.json:
        say_json(event="deleted", name=asked.file)


def _words(values: dict[str, Any]) -> str:
    """Settings as they are given on the command line."""
    from shlex import quote

    prompt = [quote(str(values["prompt"]))] if "prompt" in values else []
    return " ".join(prompt + [f"--{k.replace('_', '-')} {quote(str(v))}" for k, v in values.items() if k != "prompt"])
