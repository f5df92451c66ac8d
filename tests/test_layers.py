"""Who may import whom, and what the lower layers must leave alone: heavy libraries, global chance, the clock."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import gridbazaar

ROOT = Path(__file__).resolve().parents[1]
LAYERS = ("data", "market", "agents", "envs", "experiments")
"""Imports run downwards only: a folder may import itself and those before it."""

PURE = LAYERS[:-1]
HEAVY = frozenset(
    {"torch", "stable_baselines3", "matplotlib", "pandas", "scipy", "rich", "typer", "pettingzoo", "gymnasium"}
)
"""Imported where used, inside functions, so that the package itself imports at once."""

ALLOWED = {
    "envs/views/gymnasium_env.py": {"gymnasium"},
    "envs/views/pettingzoo_env.py": {"gymnasium", "pettingzoo"},
    "envs/views/vec_env.py": {"gymnasium", "stable_baselines3"},
}
"""The views subclass what these libraries define."""

UNSEEDED = ("numpy.random.seed", "random", "time.time", "time.time_ns")


def targets(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Every import below a node, as dotted names; ``import_module`` with a literal (or the start of one) counts."""
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from ((node, alias.name) for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                base = "." * level + (module or "")
                yield from ((node, f"{base}.{alias.name}") for alias in names)
            case ast.Call(
                func=ast.Attribute(attr="import_module" | "reload") | ast.Name(id="import_module" | "__import__")
            ):
                for arg in node.args[:1]:
                    text = arg.values[0] if isinstance(arg, ast.JoinedStr) and arg.values else arg
                    if isinstance(text, ast.Constant) and isinstance(text.value, str):
                        yield node, text.value


def layer_of(target: str) -> str | None:
    """The folder that an import reaches; the package as a whole counts as the top."""
    first, _, rest = target.partition(".")
    if first != "gridbazaar":
        return None
    name = rest.partition(".")[0]
    if name in gridbazaar._PUBLIC:
        name = gridbazaar._PUBLIC[name].split(".")[1]
    return name if name in LAYERS else LAYERS[-1]


def at_import(statements: list[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported: not those in functions, nor for type checkers only."""
    for statement in statements:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(statement, ast.If) and ast.unparse(statement.test).endswith("TYPE_CHECKING"):
            yield from at_import(statement.orelse)
            continue
        yield statement
        for block in ("body", "orelse", "finalbody"):
            yield from at_import(getattr(statement, block, []))
        for branch in (*getattr(statement, "handlers", []), *getattr(statement, "cases", [])):
            yield from at_import(branch.body)


def dotted_uses(tree: ast.AST) -> Iterator[tuple[ast.AST, str]]:
    """Imports and attribute chains in full names: ``np.random.seed`` is ``numpy.random.seed``."""
    full = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            base = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for alias in node.names:
                full[alias.asname or alias.name] = base + alias.name
                yield node, base + alias.name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            root, _, rest = ast.unparse(node).partition(".")
            yield node, f"{full.get(root, root)}.{rest}"


def upward_imports(source: str, file: str) -> list[str]:
    """Imports of a folder from above, wherever they stand, for type checkers too."""
    own = LAYERS.index(file.split("/")[0])
    faults = []
    for node, target in targets(ast.parse(source)):
        line = f"{file}:{getattr(node, 'lineno', 0)}"
        layer = layer_of(target)
        if target.startswith("."):
            faults.append(f"{line} imports {target}: write it in full, from gridbazaar")
        elif layer is not None and LAYERS.index(layer) > own:
            faults.append(f"{line} imports {target}, but {LAYERS[own]} lies below {layer}")
    return faults


def heavy_imports(source: str, file: str) -> list[str]:
    """Heavy libraries imported with the module."""
    return [
        f"{file}:{statement.lineno} imports {target} at module level: import it where it is used"
        for statement in at_import(ast.parse(source).body)
        if isinstance(statement, ast.Import | ast.ImportFrom)
        for _, target in targets(statement)
        if target.split(".")[0] in HEAVY - ALLOWED.get(file, set())
    ]


def unseeded(source: str, file: str) -> list[str]:
    """Chance and clocks that no seed rules."""
    return [
        f"{file}:{getattr(node, 'lineno', 0)} uses {name}: pass a numpy Generator, or the simulated time"
        for node, name in dotted_uses(ast.parse(source))
        if name in UNSEEDED or name.startswith("random.")
    ]


def sources(folders: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    """(text, name) of every Python file of ours in the folders."""
    for folder in folders:
        files = sorted((ROOT / folder).rglob("*.py"))
        assert files, f"no Python file in {folder}: the test looks in the wrong place"
        for path in files:
            yield path.read_text(encoding="utf-8"), path.relative_to(ROOT).as_posix()


def test_folders_import_downwards_only() -> None:
    faults = [fault for text, file in sources(LAYERS) for fault in upward_imports(text, file)]
    assert not faults, "\n".join(faults)


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    faults = [fault for text, file in sources(PURE) for fault in heavy_imports(text, file)]
    assert not faults, "\n".join(faults)


def test_nothing_depends_on_global_chance_or_on_the_clock() -> None:
    faults = [fault for text, file in sources(PURE) for fault in unseeded(text, file)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("data/x.py", "from gridbazaar.market.orders import Orders"),
        ("data/x.py", "import gridbazaar.market"),
        ("market/x.py", "def f():\n    from gridbazaar import agents"),
        ("agents/kinds/x.py", "if TYPE_CHECKING:\n    from gridbazaar.envs.state import State"),
        ("envs/x.py", "from gridbazaar import evaluate"),
        ("envs/x.py", "import gridbazaar as gb"),
        ("market/x.py", "import_module('gridbazaar.envs.core')"),
        ("market/x.py", "importlib.import_module(f'gridbazaar.agents.kinds.{name}')"),
        ("market/x.py", "from . import orders"),
        ("market/x.py", "from ..envs import core"),
    ],
)
def test_an_upward_import_is_noticed(file: str, source: str) -> None:
    assert len(upward_imports(source, file)) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("envs/x.py", "from gridbazaar.market.orders import Orders\nimport gridbazaar.data.units"),
        ("agents/x.py", "from gridbazaar import clear, data\nimport numpy as np"),
        ("experiments/x.py", "import gridbazaar as gb\nfrom gridbazaar import __version__"),
        ("data/x.py", "import gridbazaarish.envs\nimport envs_of_somebody"),
    ],
)
def test_a_downward_import_is_welcome(file: str, source: str) -> None:
    assert not upward_imports(source, file)


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("data/x.py", "import pandas as pd"),
        ("market/x.py", "from scipy.optimize import linprog"),
        ("agents/policies/trained.py", "import torch.nn"),
        ("envs/core.py", "try:\n    import torch\nexcept ImportError:\n    pass"),
        ("envs/core.py", "class A:\n    import rich"),
        ("envs/core.py", "if TYPE_CHECKING:\n    pass\nelse:\n    import typer"),
        ("envs/views/vec_env.py", "import matplotlib.pyplot as plt"),
        ("envs/core.py", "import gymnasium"),
    ],
)
def test_a_heavy_import_is_noticed(file: str, source: str) -> None:
    assert len(heavy_imports(source, file)) == 1


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("data/x.py", "def f():\n    import pandas"),
        ("data/x.py", "if TYPE_CHECKING:\n    import torch"),
        ("envs/views/vec_env.py", "from stable_baselines3.common.vec_env import VecEnv"),
        ("envs/views/pettingzoo_env.py", "import gymnasium\nfrom pettingzoo import ParallelEnv"),
    ],
)
def test_a_heavy_import_where_it_is_used_is_welcome(file: str, source: str) -> None:
    assert not heavy_imports(source, file)


@pytest.mark.parametrize(
    "source",
    [
        "import numpy as np\nnp.random.seed(0)",
        "from numpy import random as chance\nchance.seed(0)",
        "from numpy.random import seed",
        "import random",
        "from random import shuffle",
        "import time\nnow_s = time.time()",
        "import time as clock\ndef f():\n    return clock.time()",
        "from time import time",
    ],
)
def test_global_chance_and_clocks_are_noticed(source: str) -> None:
    assert unseeded(source, "envs/x.py")


def test_generators_and_timers_are_welcome() -> None:
    source = (
        "import time\nimport numpy as np\nrng = np.random.default_rng(1)\nx = rng.random(3)\nt = time.perf_counter()"
    )
    assert not unseeded(source, "envs/x.py")
