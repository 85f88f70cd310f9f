"""One command a file: a function from the words after its name to an exit code. `main` finds it by its file's name."""

from collections.abc import Callable

from unnoise.core.registry import Registry

COMMANDS: Registry[Callable[[list[str]], int]] = Registry("unnoise.cli", "command")
