"""The house rules that no other tool holds: sizes, names, what is installed, and nothing of one machine in the tree."""

import ast
import importlib
import importlib.metadata
import importlib.util
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src" / "unnoise").rglob("*.py"))

FILE, NETWORK, FUNCTION, ARGUMENTS = 250, 400, 40, 6

# What is longer, and why it reads better so: "path" for a file, "path:Class.function" for a function.
LONGER: dict[str, str] = {
    "catalogue.py:load": "what people say of a model when they load it, each by a word of its own",
}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT / "src" / "unnoise").as_posix()


def functions(tree: ast.AST, prefix: str = "") -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield prefix + node.name, node
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield from functions(node, f"{prefix}{node.name}.")
        else:
            yield from functions(node, prefix)


def arguments(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    names = [a.arg for a in (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)]
    return len([n for n in names if n not in ("self", "cls")])


def lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """From `def` to the last line, the docstring not counted."""
    last = node.end_lineno or node.lineno
    first = node.body[0]
    said = (first.end_lineno or 0) - first.lineno + 1 if ast.get_docstring(node) else 0
    return last - node.lineno + 1 - said


def over_budget() -> dict[str, str]:
    found: dict[str, str] = {}
    for path in SOURCES:
        name, text = name_of(path), path.read_text(encoding="utf-8")
        length, most = text.count("\n"), NETWORK if name.startswith("networks/") else FILE
        if length > most:
            found[name] = f"{length} lines, at most {most}"
        for function, node in functions(ast.parse(text)):
            if lines(node) > FUNCTION:
                found[f"{name}:{function}"] = f"{lines(node)} lines, at most {FUNCTION}"
            if arguments(node) > ARGUMENTS:
                found[f"{name}:{function}"] = f"{arguments(node)} arguments, at most {ARGUMENTS}"
    return found


def test_files_functions_and_signatures_stay_small() -> None:
    found = over_budget()
    assert {k: v for k, v in found.items() if k not in LONGER} == {}


def test_exceptions_are_still_needed() -> None:
    assert sorted(LONGER.keys() - over_budget().keys()) == []


def test_public_names_are_sorted_complete_and_there() -> None:
    unnoise = importlib.import_module("unnoise")
    names = [n for n in unnoise.__all__ if not n.startswith("__")]
    assert names == sorted(names)
    assert [n for n in names if getattr(unnoise, n, None) is None] == []
    assert set(unnoise.__all__) <= set(dir(unnoise))


def test_no_public_name_equals_a_module_of_the_package() -> None:
    # importing the module would put it in the name's place
    unnoise = importlib.import_module("unnoise")
    folder = ROOT / "src" / "unnoise"
    modules = {p.stem for p in folder.iterdir() if p.suffix == ".py" or (p.is_dir() and any(p.glob("*.py")))}
    assert sorted(set(unnoise.__all__) & modules) == []


def closure(name: str, extras: frozenset[str], seen: set[tuple[str, frozenset[str]]]) -> None:
    """Every distribution that installing `name` with these extras brings, as far as it is installed."""
    if (name, extras) in seen:
        return
    seen.add((name, extras))
    try:
        wanted = importlib.metadata.requires(name) or []
    except importlib.metadata.PackageNotFoundError:
        return
    for requirement in map(Requirement, wanted):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": e}) for e in (extras or {""})):
            closure(canonicalize_name(requirement.name), frozenset(requirement.extras), seen)


def test_no_requirement_brings_torchvision() -> None:
    try:
        ours = importlib.metadata.metadata("unnoise")
    except importlib.metadata.PackageNotFoundError:
        pytest.skip("unnoise is not installed; `make test` installs it")
    seen: set[tuple[str, frozenset[str]]] = set()
    closure("unnoise", frozenset(ours.get_all("Provides-Extra") or []), seen)
    names = {name for name, _ in seen}
    assert {"torch", "sympy", "tensorboard", "transformers"} <= names  # direct, indirect, and through extras
    assert "torchvision" not in names
    assert importlib.util.find_spec("torchvision") is None


def tracked() -> list[Path]:
    if not (ROOT / ".git").exists() or not (git := shutil.which("git")):
        pytest.skip("not a git checkout")
    listed = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.split("\0") if name and (ROOT / name).is_file()]


def test_the_tree_knows_no_machine() -> None:
    paths = ["/" + "work/", f"{Path.home()}/"]
    found: list[str] = []
    for path in tracked():
        content = path.read_bytes()
        if b"\0" in content:
            continue
        text = content.decode("utf-8")  # every text file is UTF-8
        found += [f"{path.relative_to(ROOT)}: {p}" for p in paths if p in text]
    assert found == []
