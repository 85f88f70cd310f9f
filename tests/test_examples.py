"""The examples agree with the package: what they ask of recipes there is."""

import ast
import importlib
import importlib.util
from dataclasses import fields
from pathlib import Path
from types import ModuleType

import pytest
import torch

from unnoise.recipes import RECIPES
from unnoise.weights.header import read_header
from unnoise.weights.store import read_tensors, write_tensors

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


def script(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


@pytest.fixture(scope="module")
def model() -> ModuleType:
    return script("model")


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


def test_a_soup_is_the_mean_of_what_is_in_it(tmp_path: Path, monkeypatch) -> None:
    soup, out = script("soup"), tmp_path / "out.safetensors"
    for k, name in enumerate("abc"):
        values = {"w": torch.tensor([1.0 + k, -3.0 * k], dtype=torch.bfloat16), "n": torch.tensor(7 + k)}
        write_tensors(tmp_path / name, values | ({"more": torch.ones(1)} if name == "c" else {}), {"said": name})
    monkeypatch.setattr("sys.argv", ["soup.py", str(out), str(tmp_path / "a"), str(tmp_path / "b")])
    soup.main()
    made = read_tensors(out)
    assert made["w"].tolist() == [1.5, -1.5] and made["w"].dtype == torch.bfloat16 and int(made["n"]) == 8
    assert read_header(out).metadata == {"said": "b"}
    monkeypatch.setattr("sys.argv", ["soup.py", str(tmp_path / "no"), str(tmp_path / "a"), str(tmp_path / "c")])
    with pytest.raises(SystemExit, match="not of one shape"):
        soup.main()
    assert not (tmp_path / "no").exists()
    for words in ((str(out), str(tmp_path / "a")), (str(tmp_path / "a"), str(tmp_path / "a"), str(tmp_path / "b"))):
        monkeypatch.setattr("sys.argv", ["soup.py", *words])
        with pytest.raises(SystemExit, match="a file of its own"):
            soup.main()
