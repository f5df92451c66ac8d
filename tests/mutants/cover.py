"""Which unit tests run which statements of the core: one run of the suite in a copy of the tree that keeps count.

    python -m tests.mutants.cover ROOT FILE [TEST ...]

``ROOT`` is a copy of the tree and is rewritten: each statement of the core leaves a mark before it runs. ``FILE``
becomes the pickled map.
"""

from __future__ import annotations

import ast
import functools
import gc
import importlib
import itertools
import os
import pickle
import re
import sys
from collections import defaultdict
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import hypothesis
import pytest

from tests.mutants.faults import core_files

MARKS = '''"""Marks that statements leave: ``at[0][n]``."""
import functools
own, shared = bytearray({n}), bytearray({n})
at = [own]
depth = 0

def share(by):
    global depth
    depth += by
    at[0] = shared if depth else own

def sharing(function):
    @functools.wraps(function)
    def shares(*args, **kwargs):
        share(1)
        try:
            return function(*args, **kwargs)
        finally:
            share(-1)
    return shares
'''


CACHE = re.compile(r"(functools\.)?(lru_)?cache\b")


@dataclass
class Cover:
    """The tests, what each takes, and the statements that those that pass run."""

    tests: list[str] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)
    ran: dict[tuple[str, int], int] = field(default_factory=dict)  # (file, first line): bits, one a test
    at_import: set[tuple[str, int]] = field(default_factory=set)

    def of(self, file: str, line: int) -> list[int]:
        """Numbers of the tests that run a statement; of its file, if it runs as that is imported."""
        bits = self.ran.get((file, line), 0)
        if (file, line) in self.at_import:
            for (other, _), those in self.ran.items():
                bits |= those if other == file else 0
        return [n for n in range(len(self.tests)) if bits >> n & 1]


class Marker(ast.NodeTransformer):
    """Puts a mark before each statement; what a cached function runs is marked as shared."""

    def __init__(self, file: str, places: list[tuple[str, int]], marks: bool) -> None:
        self._file, self._places, self._marks = file, places, marks

    def generic_visit(self, node: ast.AST) -> ast.AST:
        super().generic_visit(node)
        if isinstance(node, ast.FunctionDef) and any(CACHE.match(ast.unparse(d)) for d in node.decorator_list):
            node.decorator_list.append(ast.parse("__import__('_marks').sharing", mode="eval").body)
        for name in ("body", "orelse", "finalbody"):
            body = getattr(node, name, None)
            if self._marks and isinstance(body, list) and body and isinstance(body[0], ast.stmt):
                setattr(node, name, self._marked(body))
        return node

    def _marked(self, body: list[ast.stmt]) -> list[ast.stmt]:
        marked: list[ast.stmt] = []
        for statement in body:
            is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
            if not (is_text or (isinstance(statement, ast.ImportFrom) and statement.module == "__future__")):
                marked += ast.parse(f"_at[0][{len(self._places)}] = 1").body
                self._places.append((self._file, statement.lineno))
            marked.append(statement)
        return marked


def mark(root: Path) -> list[tuple[str, int]]:
    """Rewrite the tree at ``root``; give the file and line of each mark."""
    places: list[tuple[str, int]] = []
    core = set(core_files(root))
    for path in sorted(p for top in ("data", "market", "agents", "envs", "tests") for p in (root / top).rglob("*.py")):
        file = str(path.relative_to(root))
        source = path.read_text(encoding="utf-8")
        if (file not in core and "cache" not in source) or file.startswith("tests/mutants"):
            continue
        tree = Marker(file, places, file in core).visit(ast.parse(source))
        after = len([*itertools.takewhile(_comes_first, tree.body)])
        tree.body.insert(after, ast.parse("from _marks import at as _at").body[0])
        path.write_text(ast.unparse(ast.fix_missing_locations(tree)) + "\n", encoding="utf-8")
    (root / "_marks.py").write_text(MARKS.format(n=len(places)), encoding="utf-8")
    return places


def _comes_first(statement: ast.stmt) -> bool:
    is_text = isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)
    return is_text or (isinstance(statement, ast.ImportFrom) and statement.module == "__future__")


class Watch:
    """A pytest plugin that reads the marks after each test.

    What a cached function or a wider fixture runs for one test, it runs for all tests of that file: caches are emptied
    before each file.
    """

    def __init__(self, root: Path, places: list[tuple[str, int]], out: Path) -> None:
        self.cover, self._out = Cover(), out
        self._root, self._places = str(root), places
        self._marks = importlib.import_module("_marks")
        self._module: str | None = None
        self._of_module: list[int] = []
        self._failed: set[str] = set()
        self._took: dict[str, float] = defaultdict(float)

    def _take(self, marks: bytearray) -> list[tuple[str, int]]:
        found, n = [], marks.find(1)
        while n >= 0:
            found.append(self._places[n])
            n = marks.find(1, n + 1)
        marks[:] = bytes(len(marks))
        return found

    def pytest_collection_finish(self) -> None:
        self.cover.at_import |= {*self._take(self._marks.own), *self._take(self._marks.shared)}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, bool, bool]:
        if item.location[0] != self._module:
            self._end_of_module()
            self._module = item.location[0]
            for cache in self._caches():
                cache.cache_clear()
        self._take(self._marks.own)
        try:
            return (yield)
        finally:
            number = len(self.cover.tests)
            self.cover.tests.append(item.nodeid)
            self.cover.seconds.append(self._took[item.nodeid])
            if item.nodeid in self._failed:
                self.cover.failed.append(item.nodeid)
            else:
                self._of_module.append(number)
                self._note(self._take(self._marks.own), 1 << number)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any]) -> Generator[None, Any, Any]:
        wider = fixturedef.scope != "function"
        self._marks.share(wider)
        try:
            return (yield)
        finally:
            self._marks.share(-wider)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._took[report.nodeid] += report.duration
        if not report.passed:
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self._end_of_module()

    def _end_of_module(self) -> None:
        self._note(self._take(self._marks.shared), sum(1 << n for n in self._of_module))
        self._of_module.clear()
        self._out.write_bytes(pickle.dumps(vars(self.cover)))

    def _note(self, ran: list[tuple[str, int]], bits: int) -> None:
        for place in ran:
            self.cover.ran[place] = self.cover.ran.get(place, 0) | bits

    def _caches(self) -> Iterator[Any]:
        for found in gc.get_objects():
            if isinstance(found, functools._lru_cache_wrapper):
                inner = found.__wrapped__
                code = getattr(getattr(inner, "__wrapped__", inner), "__code__", None)
                if code is not None and code.co_filename.startswith(self._root):
                    yield found


def unhurried() -> None:
    """Let no test of properties fail because the machine is busy."""
    hypothesis.settings.register_profile("mutants", deadline=None)
    hypothesis.settings.load_profile("mutants")


def main() -> None:
    unhurried()
    root, out, *tests = sys.argv[1:]
    folder = Path(root).resolve()
    places = mark(folder)
    path = Path(out).resolve()
    os.chdir(folder)
    sys.path[0] = str(folder)
    watch = Watch(folder, places, path)
    pytest.main(["-q", "-p", "no:cacheprovider", "--hypothesis-seed=0", *tests], plugins=[watch])


if __name__ == "__main__":
    main()
