"""A witness trains by the loop that trains models: it learns, resumes bit for bit, previews and exports."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from evaluate.witnesses import questions, witness
from train import tiny
from unnoise.data.pictures import Pictures
from unnoise.evaluate.exam import answered, opened
from unnoise.media.image import read
from unnoise.train.fit import fit
from unnoise.train.objectives.answering import Answering
from unnoise.train.optimizers import Optimizing
from unnoise.train.run import Every, Run
from unnoise.train.subjects.witness import ANSWERS, Witness
from unnoise.train.trainer import Trainer

NAMES = ("first", "second", "colour", "count", "relation", "background", "style")


def right(index: int) -> dict[str, int]:
    """Four pictures in turn; the last has nothing to say of its colour."""
    kind = index % 4
    return dict.fromkeys(NAMES, 0) | {"first": kind % 3, "count": kind, "colour": -1 if kind == 3 else kind}


def heldout(count: int = 8) -> Pictures:
    tags = tuple({ANSWERS: json.dumps(right(k))} for k in range(count))
    return replace(tiny.pictures(count, 1), tags=tags)


def subject() -> Witness:
    asks = questions(1)
    return Witness(
        title="tiny",
        objective=Answering(witness=witness().train(), augment=None),
        answers=right,
        questions=asks,
        scenes=tiny.pictures(len(asks), 2).images,
    )


def run(**changes: object) -> Run:
    known = tiny.run(steps=6, every=Every(report=2, snapshot=3, preview=6, heldout=6), flip=0.0)
    given = {"subject": subject(), "heldout": heldout(), "optimizing": Optimizing(rate=1e-2, warmup=2), **changes}
    return replace(known, **given)


def test_resume_equals_a_straight_run_bit_for_bit() -> None:
    straight, begun, gone_on = (Trainer(run()) for _ in range(3))
    list(straight.steps())
    steps = begun.steps()
    for _ in range(3):
        next(steps)
    gone_on.restore({k: v.clone() for k, v in begun.tensors().items()}, begun.step)
    list(gone_on.steps())
    wanted, found = straight.tensors(), gone_on.tensors()
    assert wanted.keys() == found.keys()
    assert [k for k in wanted if not torch.equal(wanted[k], found[k])] == []


def test_it_learns_the_answers() -> None:
    trainer = Trainer(run(steps=120, widths=(0.1,)))
    before = trainer.averaged()
    first = trainer.heldout(before)
    list(trainer.steps())
    averaged = trainer.averaged()
    last = trainer.heldout(averaged)
    assert first is not None and last is not None and last < 0.1 * first
    assert isinstance(averaged, Witness)
    assert set(averaged.accuracy(heldout()).values()) == {1.0}


def test_accuracy_counts_what_has_an_answer() -> None:
    made, pictures = subject(), heldout()
    told = made.objective.witness(pictures.images.float() / 127.5 - 1)
    hits = [int(told["colour"][k].argmax()) == k % 4 for k in range(8) if k % 4 != 3]
    assert made.accuracy(pictures)["colour"] == pytest.approx(sum(hits) / 6)
    assert made.accuracy(pictures).keys() == set(NAMES)


def test_answers_go_with_their_pictures() -> None:
    trainer = Trainer(run())
    from contextlib import closing

    from unnoise.data.batches import batches

    with closing(batches(trainer.run.pictures, trainer.order)) as found:
        batch = next(found)
    example = trainer.example(batch, 0)
    assert example.tokens["count"].tolist() == [index % 4 for index in batch.indices]
    assert torch.equal(example.data, batch.images.float() / 127.5 - 1)


def test_a_whole_run_with_its_files(tmp_path: Path) -> None:
    list(fit(run(), tmp_path))
    assert read(tmp_path / "first_batch.png").shape[0] == 3
    assert read(tmp_path / "previews" / "step-000006.png").shape[0] == 3
    exam, made = opened(str(tmp_path / "model.safetensors")), subject()
    assert [each.question for each in exam.real] == list(made.questions)
    assert list(exam.real) == answered(exam.witness, made.questions, made.scenes)


def test_no_preview_where_nothing_is_asked() -> None:
    assert replace(subject(), questions=(), scenes=torch.empty(0, 3, 8, 8).byte()).preview() is None
