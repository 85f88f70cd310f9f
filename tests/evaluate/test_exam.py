"""A witness's file brings its questions along; a damaged one is refused."""

import json

import pytest
import torch

from evaluate.witnesses import Saying, questions, witness, written
from unnoise.core.error import Refused
from unnoise.evaluate.compositional import KINDS
from unnoise.evaluate.exam import answered, opened


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return written(tmp_path_factory.mktemp("witnesses") / "tiny.safetensors")


def test_there_and_back(file) -> None:
    exam = opened(str(file))
    assert [each.question for each in exam.real] == questions() and exam.name == "tiny"
    assert list(exam.real) == answered(witness(), questions(), torch.zeros(12, 3, 8, 8).byte())
    media = torch.rand(2, 3, 8, 8) * 2 - 1
    assert exam.witness.told(media) == witness().told(media)
    assert opened(str(file)) is exam


def test_the_first_questions_of_a_kind(file) -> None:
    exam = opened(str(file))
    assert [len(exam.of(kind, 1)) for kind in KINDS] == [1] * 6 and len(exam.of("count", 9)) == 2
    assert exam.of("count", 1) == exam.of("count", 2)[:1]


def test_each_question_is_asked_of_its_own_picture(monkeypatch) -> None:
    from unnoise.evaluate import exam

    monkeypatch.setattr(exam, "TOGETHER", 3)
    asks = questions()
    nothing = dict.fromkeys(("first", "second", "colour", "count", "relation", "background", "style"), "")
    saying = Saying([nothing | dict(q.wanted) for q in asks])
    pictures = torch.arange(len(asks))[:, None, None, None].expand(-1, 1, 8, 8).byte()
    assert all(each.right and each.things for each in answered(saying, asks, pictures))
    turned = answered(saying, asks, pictures.roll(2, 0))
    assert not any(each.right for each in turned)


def test_what_is_no_witness_is_refused(tmp_path, tiny_model) -> None:
    with pytest.raises(Refused, match="no witness: there is no witness 'emoji_witnes'") as refused:
        opened("emoji_witnes")
    assert refused.value.field == "witness"
    with pytest.raises(Refused, match="holds no witness"):
        opened(str(tiny_model))


@pytest.mark.parametrize(
    "exam",
    [
        "{",
        "[1]",
        "[]",
        json.dumps([{"things": True, "right": True}]),
        json.dumps([{"question": {"kind": "colour", "prompt": "x"}, "things": True, "right": True}]),
        json.dumps([{"question": {"kind": "smell", "prompt": "x", "wanted": {}}, "things": True, "right": True}]),
        json.dumps(
            [{"question": {"kind": "count", "prompt": "x", "wanted": {"count": "9"}}, "things": True, "right": True}]
        ),
        json.dumps([{"question": {"kind": "count", "prompt": 1, "wanted": {}}, "things": True, "right": True}]),
    ],
    ids=["torn", "number", "none", "empty", "unwanted", "kind", "answer", "prompt"],
)
def test_damaged_questions_are_refused(tmp_path, exam) -> None:
    with pytest.raises(Refused, match="without its questions"):
        opened(str(written(tmp_path / "torn.safetensors", exam=exam)))
