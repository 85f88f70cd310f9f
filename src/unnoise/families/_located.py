"""Where each network of a model is stored: in its own file or folder, or in one that is given beside it."""

from collections.abc import Sequence

from unnoise.core.error import Refused
from unnoise.families._source import Slot, Source, Stored, suits, text_width
from unnoise.families._strangers import seems
from unnoise.families._told import HINTS


def locate(source: Source, slots: Sequence[Slot]) -> dict[str, Stored]:
    """What is stored for each slot, by its name: what is given, and else the source's own.

    Raises:
        Refused: a part that is given is none of the model's.
    """
    found = {slot.name: stored for slot in slots if (stored := source.find(slot)) is not None}
    taken: set[str] = set()
    for role, others in source.given.items():
        for other in others if role != "tokenizer" else ():
            placed = _placed(other, role, [s for s in slots if s.role == role and s.name not in taken])
            found |= placed
            taken |= placed.keys()
    return found


def _placed(other: Source, role: str, slots: Sequence[Slot]) -> dict[str, Stored]:
    """What a given file or folder has for a role, by the slots' names: all that it calls by name, as whole models do;
    or the one network that it is, where that is as wide as the slot, or else in the first of its kind."""
    able = {slot.name: (slot, stored) for slot in slots if (stored := _bare(other, slot)) is not None}
    if not able:
        raise _other_kind(other, role, slots)
    named = {name: stored for name, (slot, stored) in able.items() if stored.prefix or slot.folder in other.folders}
    if named:
        return named
    fitting = (name for name, (slot, stored) in able.items() if slot.width == text_width(stored.shapes))
    chosen = next(fitting, next(iter(able)))
    return {chosen: able[chosen][1]}


def _other_kind(other: Source, role: str, slots: Sequence[Slot]) -> Refused:
    """The error about a given file or folder that holds something else than the part it is given for."""
    stored = other.whole or next(iter(other.folders.values()), None)
    holds = (seems(stored)[0] if stored else "") or "something else"
    what = f"--part {role} cannot be {other.path}: it holds {holds}, and no {role} of this model's kind"
    wanted = " or ".join(f"{slot.name} ({HINTS[slot.kind]})" for slot in slots)
    return Refused(what, f"give {wanted}" if wanted else f"the model takes no further {role}: leave it out", "part")


def _bare(other: Source, slot: Slot) -> Stored | None:
    """As `find`, and a file that holds the part alone, without a prefix."""
    found = other.find(slot)
    bare = other.whole
    return found or (bare if bare and bare.config is None and suits(slot.kind, bare.shapes) else None)
