"""Our own format: a model written and read back is the same model, and a damaged file is refused by name."""

import json
import subprocess
import sys
from dataclasses import asdict

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from unnoise import describe, load
from unnoise.core.error import Refused
from unnoise.core.model import Wish
from unnoise.families.native import export, parts
from unnoise.weights.header import read_header
from unnoise.weights.store import read_tensors, write_tensors


def stored(model):
    return {f"{p}.{n}": v for p, module in parts(model).items() for n, v in module.state_dict().items()}


@pytest.fixture
def rewritten(tiny_model, tmp_path):
    """The tiny model's file with its statements changed."""

    def make(change, drop=(), extra=None):
        header = read_header(tiny_model)
        said = json.loads(header.metadata["unnoise"])
        said = change(said) or said
        tensors = {k: v for k, v in read_tensors(tiny_model).items() if k not in drop}
        metadata = dict(header.metadata) | {"unnoise": said if isinstance(said, str) else json.dumps(said)}
        path = tmp_path / "changed.safetensors"
        write_tensors(path, tensors | (extra or {}), metadata)
        return str(path)

    return make


def test_a_model_written_and_read_is_the_same(tiny_model, tmp_path):
    model = load(str(tiny_model))
    tensors, metadata = export(model, stored(model), torch.float32)
    write_tensors(tmp_path / "tiny.safetensors", tensors, metadata)
    again = load(str(tmp_path / "tiny.safetensors"))
    assert asdict(again.description) | {"files": 0} == asdict(model.description) | {"files": 0}
    assert metadata == dict(read_header(tiny_model).metadata)
    for name, tensor in stored(again).items():
        assert torch.equal(tensor, stored(model)[name]), name
    assert (again.schedule, again.spacing) == (model.schedule, model.spacing)
    assert (again.denoiser.prediction, again.denoiser.clock) == (model.denoiser.prediction, model.denoiser.clock)


def test_it_computes_the_same_in_half_the_bytes(tiny_model, tmp_path):
    model = load(str(tiny_model))
    write_tensors(tmp_path / "half.safetensors", *export(model, stored(model), torch.bfloat16))
    half = load(str(tmp_path / "half.safetensors"))
    conditions = [m.conditioner(m.conditioner.prepare([Wish("a red fox")])) for m in (model, half)]
    first, second = (condition.pooled for condition in conditions)
    assert first.dtype == second.dtype == torch.float32
    assert torch.allclose(first, second, atol=0.1) and not torch.equal(first, second)


def test_describing_loads_no_torch(tiny_model, tmp_path):
    code = (
        f"import sys; from unnoise import describe; print(describe({str(tiny_model)!r}).width, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "16 False\n", done.stderr


def put(*keys, value):
    """A change of one statement; without a value it is taken away."""

    def change(said):
        place = said
        for key in keys[:-1]:
            place = place[key]
        if value is None:
            del place[keys[-1]]
        else:
            place[keys[-1]] = value

    return change


DAMAGED = {
    "no JSON": (lambda _: "{", "cannot be read"),
    "nested": (lambda _: "[" * 100_000, "cannot be read"),
    "a list": (lambda _: "[]", "cannot be read"),
    "no format": (put("format", value=None), "cannot be read"),
    "newer": (put("format", value=2), "newer unnoise"),
    "no description": (put("description", value=None), "cannot be read"),
    "description a text": (put("description", value="x"), "cannot be read"),
    "no width": (put("description", "width", value=None), "width"),
    "width a text": (put("description", "width", value="16"), "width"),
    "width 0": (put("description", "width", value=0), "width"),
    "width true": (put("description", "width", value=True), "width"),
    "width beyond all": (put("description", "width", value=10**30), "pixels"),
    "larger than its largest": (put("description", "height", value=4096), "4096 pixels"),
    "largest beyond all": (put("description", "largest", value=10**6), "1000000 at most"),
    "multiple beyond all": (put("description", "multiple", value=10**9), "pixels"),
    "multiple 0": (put("description", "multiple", value=0), "multiple"),
    "steps a text": (put("description", "defaults", "steps", value="many"), "steps"),
    "defaults a list": (put("description", "defaults", value=[1]), "defaults"),
    "classes of lists": (put("description", "classes", value=[[]]), "classes"),
}


@pytest.mark.parametrize("case", DAMAGED)
def test_a_damaged_description_is_refused(rewritten, case):
    change, said = DAMAGED[case]
    with pytest.raises(Refused, match=said):
        describe(rewritten(change))


WRONG = {
    "unknown network": put("network", "name", value="resnet9000"),
    "a codec as the network": put("network", "name", value="pixels"),
    "a path as the network": put("network", "name", value="../dit"),
    "no network": put("network", value=None),
    "network a text": put("network", value="dit"),
    "unknown setting": put("network", "config", "colour", value=3),
    "width a text": put("network", "config", "width", value="64"),
    "width 0": put("network", "config", "width", value=0),
    "width below 0": put("network", "config", "width", value=-64),
    "heads 0": put("network", "config", "heads", value=0),
    "another width": put("network", "config", "width", value=128),
    "another depth": put("network", "config", "depth", value=2),
    "config a list": put("network", "config", value=[]),
    "unknown schedule": put("schedule", "name", value="wobbly"),
    "unknown prediction": put("prediction", "name", value=7),
    "unknown spacing": put("spacing", "name", value="wide"),
    "no conditioner": put("conditioner", value=None),
}


@pytest.mark.parametrize("case", WRONG)
def test_parts_we_cannot_build_are_refused(rewritten, case):
    with pytest.raises(Refused):
        load(rewritten(WRONG[case]))


@pytest.mark.parametrize("depth", [10**9, -1.5, "six", None])
def test_more_blocks_than_tensors_are_refused_before_anything_is_built(rewritten, depth):
    def change(said):
        said["network"]["config"]["depth"] = depth

    with pytest.raises(Refused, match="depth"):
        load(rewritten(change))


def test_tensors_missing_or_left_over_are_refused(rewritten):
    with pytest.raises(Refused, match=r"missing: patches\.bias"):
        load(rewritten(lambda _: None, drop=["network.patches.bias"]))
    with pytest.raises(Refused, match="unknown: more"):
        load(rewritten(lambda _: None, extra={"network.more": torch.zeros(1)}))


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_statement_is_described_or_refused(rewritten, data):
    value = data.draw(st.one_of(st.none(), st.integers(), st.floats(), st.text(), st.lists(st.integers()), st.just({})))

    def change(said):
        place = said
        for _ in range(data.draw(st.integers(1, 3))):
            key = data.draw(st.sampled_from(sorted(place)))
            inner = place[key]
            if not isinstance(inner, dict) or not inner:
                break
            before, place = (place, key), inner
        else:
            place, key = before
        place[key] = value

    try:
        assert describe(rewritten(change)).width > 0
    except Refused as refused:
        assert str(refused)
