"""One task a file: a frozen request that knows how to run.

Its fields are the command line, the HTTP schema and the form.
"""

from typing import Any

from unnoise.core.registry import Registry

TASKS: Registry[type[Any]] = Registry("unnoise.tasks", "task")
