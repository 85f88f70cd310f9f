"""A witness's file: the network, and with it the questions that are asked by it, fixed when it was made.

Each question says how the witness answered it of a real scene, one that it was not trained on: what it gets wrong there
it will get wrong of made pictures, too.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from torch import Tensor

from unnoise import catalogue
from unnoise.core.error import Refused
from unnoise.evaluate.compositional import KINDS, Question
from unnoise.networks import WITNESSES
from unnoise.networks.witness import Witness
from unnoise.weights.header import read_header
from unnoise.weights.parts import read_part

KEY = "exam"
TOGETHER = 64


@dataclass(frozen=True)
class Answered:
    """A question, and whether a picture was what it asks for: its things, and all of it."""

    question: Question
    things: bool
    right: bool


@dataclass(frozen=True, eq=False)
class Exam:
    """Args:
    name: of the witness's file.
    witness: the network, on the CPU.
    real: every question, as answered of a real scene.
    """

    name: str
    witness: Witness
    real: tuple[Answered, ...]

    def of(self, kind: str, most: int) -> list[Answered]:
        """The first questions of a kind, `most` of them at most."""
        return [answered for answered in self.real if answered.question.kind == kind][:most]


def answered(witness: Witness, questions: Sequence[Question], pictures: Tensor) -> list[Answered]:
    """Each question, asked of the picture beside it, uint8 (N, C, H, W)."""
    device, media = next(witness.parameters()).device, witness.config.media
    told: list[dict[str, str]] = []
    for some in pictures.split(TOGETHER):
        told += witness.told(some.to(device).expand(-1, media, -1, -1).float() / 127.5 - 1)
    return [Answered(q, q.things(said), q.right(said)) for q, said in zip(questions, told, strict=True)]


def stated(exam: Sequence[Answered]) -> dict[str, str]:
    """A file's metadata that says the questions."""
    return {KEY: json.dumps([asdict(each) for each in exam], ensure_ascii=False)}


def opened(name: str) -> Exam:
    """A witness with its questions, by name or by path; the file is read once.

    Raises:
        Refused: there is none, or the file holds none.
    """
    try:
        path = catalogue.find(name, "witness")
    except Refused as error:
        remedy = "train one by 'unnoise train emoji_witness', or name its file"
        raise Refused(f"no witness: {error.what}", remedy, "witness") from None
    return _opened(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _opened(path: Path, _: int) -> Exam:
    witness = cast(Witness, read_part(path, "witness", WITNESSES, catalogue.place("cpu", "float32")))
    try:
        said = json.loads(read_header(path).metadata[KEY])
        real = tuple(_read(each, witness.config.questions) for each in said)
        if not real:
            raise ValueError("no question")
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        raise Refused(f"{path} holds a witness without its questions", "the file is damaged", "witness") from None
    return Exam(path.stem, witness, real)


def _read(said: Mapping[str, Any], known: Mapping[str, Sequence[str]]) -> Answered:
    question = Question(**said["question"])
    if question.kind not in KINDS or not isinstance(cast(object, question.prompt), str):
        raise ValueError(question.kind)
    if not all(answer in known[name] for name, answer in question.wanted.items()):
        raise ValueError(question.prompt)
    return Answered(question, bool(said["things"]), bool(said["right"]))
