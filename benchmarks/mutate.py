"""Whether the tests would notice: alters the mathematics in hundreds of small ways and counts how many are caught.

    python benchmarks/mutate.py [--count 240] [--seed 0] [--only PATTERN] [--seconds 1200] [--jobs 2]

A mutant is one changed place of core/ or samplers/: another operator, a constant off by one, a sign or a comparison
turned round, an index moved. Each runs in a forked child whose import of that one module gives the altered code, first
against the module's own tests and, where those pass, against wider ones; a sampler against the tests that bear its
name. What no test catches is listed with its place, so that a person can say whether it is a hole or means the same
(`SAME`). Exits with 1 if fewer than 95 of 100 are caught.
"""

import argparse
import ast
import contextlib
import copy
import importlib.abc
import importlib.machinery
import importlib.util
import multiprocessing
import os
import random
import re
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

import pytest

from machine import describe

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "unnoise"
FOLDERS = ("core", "samplers")
WIDE = (
    "core",
    "spacings",
    "guidances",
    "samplers/test_resume.py",
    "parity/test_k_diffusion.py",
    "nn",
    "tasks/test_bind.py",
)
NEAR = (  # of a sampler, quick ones first
    ("parity/test_k_diffusion.py",),
    ("samplers/test_order.py",),
    ("samplers/test_weak_order.py", "samplers/test_moments.py"),
    ("samplers", "parity"),
)
GOAL = 0.95
QUIET = ("-W", "ignore:Module already imported:pytest.PytestAssertRewriteWarning")

OPERATORS: dict[type[ast.AST], type[ast.AST]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.Lt: ast.GtE,
    ast.LtE: ast.Gt,
    ast.Gt: ast.LtE,
    ast.GtE: ast.Lt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.And: ast.Or,
    ast.Or: ast.And,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}

# Changes that mean the same, as "file: original -> changed": what was looked at and why no test can tell.
SAME: dict[str, str] = {
    "core/registry.py: 1 -> 2": "the first of the two nearest names is the nearest",
    "samplers/dpm_adaptive.py: 100000000.0 -> 125000000.01": "an error a hundred million times too large, or more",
}


@dataclass(frozen=True)
class Mutant:
    """One changed place: its file under the package, its line, what stood there and what stands there now."""

    file: str
    line: int
    before: str
    after: str
    tree: ast.Module

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.before} -> {self.after}"


def changes(node: ast.AST) -> Iterator[ast.AST]:
    """What a node may become."""
    if isinstance(node, ast.BinOp | ast.BoolOp) and (other := OPERATORS.get(type(node.op))):
        yield _with(node, op=other())
    elif isinstance(node, ast.Compare) and len(node.ops) == 1 and (other := OPERATORS.get(type(node.ops[0]))):
        yield _with(node, ops=[other()])
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub | ast.Not):
        yield node.operand
    elif isinstance(node, ast.Constant) and isinstance(node.value, bool):
        yield _with(node, value=not node.value)
    elif isinstance(node, ast.Constant) and isinstance(node.value, int | float):
        yield _with(node, value=node.value + 1 if isinstance(node.value, int) else node.value * 1.25 + 0.01)


def _with(node: ast.AST, **fields: object) -> ast.AST:
    other = copy.copy(node)
    for name, value in fields.items():
        setattr(other, name, value)
    return other


def places(tree: ast.Module) -> Iterator[tuple[ast.AST, str, int | None]]:
    """Every slot that holds an expression which counts: no annotation, no docstring, no argument of an error."""

    def walk(node: ast.AST) -> Iterator[tuple[ast.AST, str, int | None]]:
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list"):
                continue
            for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
                if not isinstance(child, ast.AST) or _silent(child):
                    continue
                yield node, name, index
                yield from walk(child)

    return walk(tree)


def _silent(node: ast.AST) -> bool:
    """An error's words, imports, and what is for type checkers."""
    if isinstance(node, ast.Raise | ast.Import | ast.ImportFrom):
        return True
    return isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"


def mutants(path: Path) -> Iterator[Mutant]:
    """Every mutant of a file."""
    text = path.read_text(encoding="utf-8")
    for number, (node, name, index) in enumerate(places(ast.parse(text))):
        found = getattr(node, name)
        original = found if index is None else found[index]
        for change in changes(original):
            tree = ast.parse(text)
            owner, _, _ = next(place for k, place in enumerate(places(tree)) if k == number)
            ast.copy_location(change, original)
            if index is None:
                setattr(owner, name, change)
            else:
                getattr(owner, name)[index] = change
            file = path.relative_to(PACKAGE).as_posix()
            yield Mutant(
                file, original.lineno, ast.unparse(original), ast.unparse(change), ast.fix_missing_locations(tree)
            )


class Altered(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Gives one module's altered code to whoever imports it."""

    def __init__(self, mutant: Mutant) -> None:
        self.name = "unnoise." + mutant.file[:-3].replace("/", ".")
        self.mutant = mutant

    def find_spec(self, name: str, path: object, target: object = None) -> importlib.machinery.ModuleSpec | None:
        if name != self.name:
            return None
        return importlib.util.spec_from_file_location(name, PACKAGE / self.mutant.file, loader=self)

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        exec(compile(self.mutant.tree, str(PACKAGE / self.mutant.file), "exec"), module.__dict__)


def suites(mutant: Mutant) -> list[list[str]]:
    """What pytest is given, nearest first: a module's own tests and then wider ones; a sampler's wherever they are."""
    tests = ROOT / "tests"
    folder, _, name = mutant.file.partition("/")
    if folder == "samplers":
        named = [] if name.startswith("_") else ["-k", name[:-3]]
        return [[*(str(tests / each) for each in group), *named] for group in NEAR]
    own = tests / folder / f"test_{name}"
    return [[str(own)]] * own.exists() + [[str(tests / each) for each in WIDE]]


def caught(mutant: Mutant, limit: int, given: list[list[str]]) -> bool:
    """Whether any of these tests fails on it; a suite that runs longer than `limit` seconds counts as failed."""
    for tests in given:
        if (child := os.fork()) == 0:
            _test(mutant, tests)
        ends = time.monotonic() + limit
        while (found := os.waitpid(child, os.WNOHANG))[0] == 0:
            if time.monotonic() > ends:
                os.kill(child, signal.SIGKILL)
            time.sleep(0.02)
        if os.waitstatus_to_exitcode(found[1]) not in (0, pytest.ExitCode.NO_TESTS_COLLECTED):
            return True
    return False


def sound(files: list[str], limit: int) -> str:
    """Empty where the tests of every file pass on unaltered code read the same way; else the file whose do not."""
    wide = True
    for file in files:
        tree = ast.parse((PACKAGE / file).read_text(encoding="utf-8"))
        tests = suites(Mutant(file, 0, "", "", tree))
        if caught(Mutant(file, 0, "", "", tree), limit, tests if wide else tests[:1]):
            return file
        wide = False  # the wider ones are the same for all
    return ""


def _test(mutant: Mutant, tests: list[str]) -> None:
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    sys.meta_path.insert(0, Altered(mutant))
    code = 1
    try:
        code = int(pytest.main(["-x", "-q", "--no-header", "-p", "no:cacheprovider", *QUIET, *tests]))
    finally:
        os._exit(code)


def chosen(count: int, seed: int, only: str) -> list[Mutant]:
    """So many mutants, from each file its share."""
    files = [p for folder in FOLDERS for p in sorted((PACKAGE / folder).glob("*.py")) if re.search(only, p.as_posix())]
    every = {path: list(mutants(path)) for path in files}
    total = sum(map(len, every.values()))
    draw, found = random.Random(seed), list[Mutant]()
    for path in files:
        share = min(len(every[path]), -(-len(every[path]) * count // total)) if total else 0
        found += sorted(draw.sample(every[path], share), key=lambda m: m.line)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description="Mutation check of the mathematics")
    parser.add_argument("--count", type=int, default=240)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=int, default=1200)
    parser.add_argument("--jobs", type=int, default=len(os.sched_getaffinity(0)))
    asked = parser.parse_args()
    for heavy in ("torch", "hypothesis", "numpy"):  # once, for every child
        importlib.import_module(heavy)
    sys.path.insert(0, str(ROOT / "src"))
    os.chdir(ROOT)
    trying = chosen(asked.count, asked.seed, asked.only)
    if fault := sound(sorted({m.file for m in trying}), asked.seconds):
        print(f"the tests fail on what is not altered: {fault}")
        return 1
    tried: list[Mutant] = []
    survived: list[Mutant] = []
    with multiprocessing.get_context("fork").Pool(asked.jobs) as pool, contextlib.suppress(KeyboardInterrupt):
        found = pool.imap_unordered(partial(one, trying, asked.seconds), range(len(trying)))
        for number, noticed in found:  # what was seen until an interrupt is told
            tried.append(trying[number])
            survived += [] if noticed else [trying[number]]
            print(f"\r{len(tried)}/{len(trying)}, {len(survived)} not caught ", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return report(tried, sorted(survived, key=trying.index))


def one(trying: list[Mutant], limit: int, number: int) -> tuple[int, bool]:
    """A mutant's number, and whether it is caught."""
    return number, caught(trying[number], limit, suites(trying[number]))


def report(trying: list[Mutant], survived: list[Mutant]) -> int:
    same = [m for m in survived if f"{m.file}: {m.before} -> {m.after}" in SAME]
    print("| folder | mutants | caught | of 100 |")
    print("| --- | --- | --- | --- |")
    for name in (*FOLDERS, ""):
        of, left = (sum(m.file.startswith(name) for m in group) for group in (trying, survived))
        if of:
            print(f"| {name or 'all'} | {of} | {of - left} | {100 * (of - left) / of:.1f} |")
    for mutant in survived:
        why = SAME.get(f"{mutant.file}: {mutant.before} -> {mutant.after}", "")
        print(f"\nnot caught: {mutant}{f'  ({why})' if why else ''}", end="")
    print(f"\n\n{len(same)} of those not caught mean the same. {describe()}")
    return 0 if len(survived) <= (1 - GOAL) * len(trying) else 1


if __name__ == "__main__":
    sys.exit(main())
