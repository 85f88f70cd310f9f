"""A judge trains by the loop that trains models: it learns, resumes bit for bit, previews and exports."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from building import reader
from train import tiny
from unnoise.catalogue import place
from unnoise.core.model import Wish
from unnoise.data.batches import batches
from unnoise.data.pictures import Pictures
from unnoise.evaluate.retrieval import called
from unnoise.media.image import read
from unnoise.networks import EYES
from unnoise.networks.eye import Eye, EyeConfig
from unnoise.text import CONDITIONERS
from unnoise.train.fit import fit
from unnoise.train.objectives.contrastive import Contrastive
from unnoise.train.optimizers import Optimizing
from unnoise.train.run import Every, Run
from unnoise.train.subjects.judge import Judge, names, things_of
from unnoise.train.trainer import Trainer
from unnoise.weights.header import read_header
from unnoise.weights.parts import holds, read_part


def subject() -> Judge:
    torch.manual_seed(0)
    eye = Eye(EyeConfig(size=8, patch=2, widths=(16, 16), out=16))
    objective = Contrastive(eye=eye, text=reader(Eye.Condition))
    return Judge(title="tiny", objective=objective, things=things_of(tiny.pictures()), shown=tiny.pictures(4))


def run(**changes: object) -> Run:
    known = tiny.run(steps=6, every=Every(report=2, snapshot=3, preview=6, heldout=6))
    return replace(known, subject=subject(), optimizing=Optimizing(rate=1e-2, warmup=2), **changes)


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


def test_a_whole_run_with_its_files(tmp_path: Path) -> None:
    list(fit(run(), tmp_path))
    assert read(tmp_path / "first_batch.png").shape[0] == 3
    assert read(tmp_path / "previews" / "step-000006.png").shape[0] == 3
    file = tmp_path / "model.safetensors"
    header, where = read_header(file), place("cpu", "float32")
    assert set(holds(header)) == {"eye", "text"}
    eye = read_part(file, "eye", EYES, where)
    text = read_part(file, "text", CONDITIONERS, where, header.metadata["vocabulary"], Eye.Condition)
    assert isinstance(eye, Eye) and eye(torch.zeros(1, 3, 8, 8)).shape == (1, 16)
    assert text(text.prepare([Wish("a red square")])).pooled.shape == (1, 16)


def test_it_learns_which_words_are_whose() -> None:
    long = run(steps=150, widths=(0.1,), flip=0.0)
    trainer = Trainer(long)
    first = trainer.heldout(trainer.averaged())
    list(trainer.steps())
    averaged = trainer.averaged()
    last = trainer.heldout(averaged)
    assert first is not None and last is not None and last < 0.3 * first
    assert isinstance(averaged, Judge)
    scores = averaged._scores(tiny.pictures(8, 1), tiny.WORDS)
    assert scores.argmax(1).tolist() == [0, 1, 2, 3] * 2


def test_the_held_out_loss_is_the_cross_entropy_of_the_right_names() -> None:
    made = subject()
    found = made.heldout(tiny.pictures(6, 1))
    scores = made._scores(tiny.pictures(6, 1), tiny.WORDS).detach().log_softmax(1)
    assert found == pytest.approx(-float(scores[range(6), [0, 1, 2, 3, 0, 1]].mean()), rel=1e-5)


def test_words_and_things_go_with_their_pictures() -> None:
    made = run()
    trainer = Trainer(made)
    with closing(batches(made.pictures, trainer.order, captions=made.captions)) as found:
        batch = next(found)
    example = trainer.example(batch, 0)
    assert example.tokens.things.tolist() == [index % 4 for index in batch.indices]
    said = made.subject.objective.text.prepare([Wish(caption) for caption in batch.captions])
    assert torch.equal(example.tokens.tokens.ids, said.ids)
    assert torch.equal(example.data, batch.images.float() / 127.5 - 1)


def test_the_first_batch_is_drawn_as_the_eye_is_given_it() -> None:
    made = run()
    trainer = Trainer(made)
    with closing(batches(made.pictures, trainer.order)) as found:
        batch = next(found)
    first, again = (made.subject.sheet(batch, trainer.order, 0) for _ in range(2))
    plain = replace(made.subject, objective=replace(made.subject.objective, augment=None))
    assert torch.equal(first, again)
    assert not torch.equal(first, plain.sheet(batch, trainer.order, 0))


def test_names_come_before_captions() -> None:
    tags = ({"name": "cat"}, {}, {"name": "cat"}, {})
    pictures = Pictures(torch.zeros(4, 3, 2, 2).byte(), tuple("abcd"), (("a cat",), ("dog", "x"), (), ()), tags)
    assert called(pictures) == ["cat", "dog", "cat", ""]
    assert names(pictures) == ["cat", "dog", ""]
    assert things_of(pictures).tolist() == [0, 1, 0, 2]


def test_no_preview_where_nothing_is_to_be_shown() -> None:
    assert replace(subject(), shown=None).preview() is None
