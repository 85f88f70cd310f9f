"""How closely a request follows its prompt, against what its model can do. Imports no torch."""

import math
from collections.abc import Collection, Mapping

from unnoise.core.branch import NEGATIVE, Branch
from unnoise.core.description import Description
from unnoise.core.error import Refused
from unnoise.core.sampler import branches
from unnoise.guidances import GUIDANCES
from unnoise.samplers import SAMPLERS

EMBEDDED = "embedded"
"""The guidance that a network reads itself, and the word for models of that kind."""
IDLE = "classifier_free:scale=1"
LARGEST = 1000


def check_guidance(value: str | float | None, negative: str, model: Description, sampler: str = "euler") -> str:
    """The guidance as a spec; a bare number is embedded where the network reads it itself, else classifier-free.

    Raises:
        Refused: it is unknown, not finite, has no effect, or the model cannot be guided so; or the sampler follows a
            branch that the model has not.
    """
    if value is None:
        value = model.defaults.get("guidance", 1.0 if model.guidance == "none" else 4.0)
    spec = _scaled(str(value), model)
    asked: Mapping[str, Branch] = GUIDANCES.make(spec).branches
    followed = branches(SAMPLERS.make(sampler))
    words = {branch.words for branch in asked.values()} | ({"negative"} if followed else set[str]())
    _check_free(spec, negative, model, sampler if followed else "", words)
    if negative and "negative" not in words:
        at = "at guidance 1" if spec == IDLE else f"with the guidance '{spec}'"
        raise Refused(f"a negative prompt has no effect {at}", "raise --guidance, or leave it out", "negative")
    if spec != IDLE and len(asked) == 1 and _name(spec) != EMBEDDED:
        raise Refused(f"the guidance '{spec}' changes nothing", "raise its scale, or leave it out", "guidance")
    if not negative and NEGATIVE in asked.values() and "none" in words:
        what = f"the guidance '{spec}' turns away from a negative prompt, and there is none"
        raise Refused(what, "give one, or take 'classifier_free'", "negative")
    if not all(branch.pictures for branch in asked.values()):
        what = f"the guidance '{spec}' weighs a picture, and there is none to go by"
        raise Refused(what, "take 'classifier_free'", "guidance")
    return spec


def _check_free(spec: str, negative: str, model: Description, follower: str, words: Collection[str]) -> None:
    """See that a model without a free branch is asked for none.

    A network that reads its guidance can still be guided by two calls, where that is asked for by name:
    `classifier_free:scale=2` with a negative prompt, which costs twice as much.

    Raises:
        Refused: it is, or a network that reads no guidance is told one.
    """
    if _name(spec) == EMBEDDED and model.guidance != EMBEDDED:
        what = f"the network of '{model.name}' reads no guidance"
        raise Refused(what, "leave it out" if model.guidance == "none" else "give a number", "guidance")
    if model.guidance == "free" or (not negative and set(words) == {"prompt"}):
        return
    if model.guidance == EMBEDDED and _name(spec) == "classifier_free" and spec != IDLE and not follower:
        return
    what, field = ("a negative prompt", "negative") if negative else ("guidance", "guidance")
    if follower and not negative:
        what, field = f"the sampler '{follower}'", "sampler"
    way = "leave it out"
    if model.guidance == EMBEDDED and negative:
        way += ", or give --guidance classifier_free:scale=2, which calls the network twice a step"
    raise Refused(f"the model '{model.name}' has no free branch for {what}", way, field)


def _name(spec: str) -> str:
    return spec.partition(":")[0]


def _scaled(spec: str, model: Description) -> str:
    """A guidance by its own name, a bare number being the scale that the model takes."""
    try:
        scale = float(spec)
    except ValueError:
        return GUIDANCES.resolve(spec)
    if not math.isfinite(scale):
        raise Refused(f"guidance {spec} is no finite number", "try 4", "guidance")
    if abs(scale) > LARGEST:
        raise Refused(f"guidance {spec} is out of range", f"at most {LARGEST:,}", "guidance")
    return f"{EMBEDDED if model.guidance == EMBEDDED else 'classifier_free'}:scale={scale:g}"
