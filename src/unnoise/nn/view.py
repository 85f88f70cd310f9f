"""The same module with something else in some of its places: a new tree over the same parameters."""

from collections.abc import Mapping
from copy import copy
from typing import TypeVar

from torch import nn

M = TypeVar("M", bound=nn.Module)


def replaced(module: M, parts: Mapping[str, nn.Module]) -> M:
    """A new module that shares every parameter and buffer with this one, which stays as it is.

    Args:
        module: the original.
        parts: what stands in which place, by the names of `named_modules`.
    """
    made = module.__class__.__new__(module.__class__)
    # Its own tables of parts, parameters and hooks, so that a change of one tree is none of the other.
    made.__dict__ = {k: copy(v) if isinstance(v, dict | set) else v for k, v in vars(module).items()}
    inner: dict[str, dict[str, nn.Module]] = {}
    for name, part in parts.items():
        head, _, rest = name.partition(".")
        if rest:
            inner.setdefault(head, {})[rest] = part
        else:
            setattr(made, head, part)
    for head, its in inner.items():
        setattr(made, head, replaced(getattr(module, head), its))
    return made
