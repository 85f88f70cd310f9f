"""The examples agree with the package: what they ask of recipes there is."""

import ast
import importlib
import importlib.util
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest

from unnoise.recipes import RECIPES

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
SCRIPTS = sorted([*EXAMPLES.glob("*.py"), *(ROOT / "benchmarks").glob("*.py")])


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_what_a_script_takes_from_the_package_is_there(path: Path) -> None:
    found = (node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom))
    for node in (node for node in found if (node.module or "").partition(".")[0] == "unnoise"):
        module = importlib.import_module(str(node.module))
        for name in (each.name for each in node.names):
            assert hasattr(module, name) or importlib.util.find_spec(f"{node.module}.{name}"), (node.module, name)


@pytest.fixture(scope="module")
def model() -> ModuleType:
    spec = importlib.util.spec_from_file_location("model", EXAMPLES / "model.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_its_stages_are_recipes_and_share_the_time(model: ModuleType) -> None:
    assert set(model.SHARES) <= set(RECIPES) and sum(model.SHARES.values()) == pytest.approx(1)
    assert list(model.SHARES).index("emoji_codec") < list(model.SHARES).index("emoji")
    assert set(model.NAMES) < set(model.SHARES)


@pytest.mark.parametrize("sizes", ["small", "large", "toy"])
def test_what_it_asks_of_a_recipe_is_one_of_its_fields(model: ModuleType, sizes: str) -> None:
    for recipe in model.SHARES:
        plan = model.Plan(data=Path("d"), out=Path("o"), minutes=10, sizes=sizes)
        asked = {word[2:] for word in plan.options(recipe) if word.startswith("--")}
        assert asked - {"minutes"} <= {f.name for f in fields(RECIPES[recipe])}


def test_files_are_parted_and_come_together_again(model: ModuleType, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(model, "PART", 100)
    plan = model.Plan(data=tmp_path, out=tmp_path, minutes=1, sizes="toy")
    for k, recipe in enumerate(model.NAMES):
        plan.folder(recipe).mkdir()
        (plan.folder(recipe) / "model.safetensors").write_bytes(bytes([k]) * (250 + k))
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "old.part-09").write_text("of another run")
    made = model.packed(plan)
    assert len(made) == 1 + 3 * len(model.NAMES)
    for k, name in enumerate(model.NAMES.values()):
        parts = sorted((tmp_path / "packed").glob(f"{name}.safetensors.part-*"))
        assert b"".join(part.read_bytes() for part in parts) == bytes([k]) * (250 + k)
    assert len((tmp_path / "packed" / "SHA256SUMS").read_text().splitlines()) == 3 * len(model.NAMES)
