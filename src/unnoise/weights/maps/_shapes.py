"""Reading a network's settings from a single file's shapes."""

from collections.abc import Mapping

from unnoise.core.error import Refused

Shapes = Mapping[str, tuple[int, ...]]


def shape(shapes: Shapes, name: str, axes: int) -> tuple[int, ...]:
    """The shape of a tensor that must be there.

    Raises:
        Refused: it is not, or has another number of axes, or none of its own numbers.
    """
    found = shapes.get(name)
    if found is None or len(found) != axes or not all(found):
        raise Refused(f"the file has no whole tensor {name}", _REMEDY, "model")
    return found


def blocks(shapes: Shapes, stem: str) -> int:
    """How many blocks `stem.0.*`, `stem.1.*`, ... there are.

    Raises:
        Refused: there are none, or one between is missing.
    """
    found = {name.split(".", 2)[1] for name in shapes if name.startswith(stem + ".")}
    if not found or found != {str(i) for i in range(len(found))}:
        raise Refused(f"the file has no whole row of {stem}", _REMEDY, "model")
    return len(found)


_REMEDY = "it is damaged, or another kind of model"
