"""Who may import whom, and what the lower layers must leave alone: heavy libraries, global chance, the clock.

Also what keeps the house guessable: no circles, code only where it is looked for, nothing asked behind a contract's
back, and nothing drawn while an interval is played.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
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
    "envs/views/discrete.py": {"gymnasium", "pettingzoo"},
    "envs/views/gymnasium_env.py": {"gymnasium"},
    "envs/views/pettingzoo_env.py": {"gymnasium", "pettingzoo"},
    "envs/views/torchrl_env.py": {"torch"},
    "envs/views/vec_env.py": {"gymnasium", "stable_baselines3"},
}
"""The views subclass what these libraries define."""

LISTED = (
    "agents/kinds", "agents/policies", "data/feeders", "envs/scenarios", "market/designs",
    "market/flexibility/tenders",    "market/mechanisms", "market/tariffs",
)  # fmt: skip
"""Folders that list and load themselves in their ``__init__.py``; no other one holds code."""

ASKS_WITH_DEFAULT = {
    "data/loaders/pandapower.py": 2,  # what a net of another library may lack
    "data/loaders/pandapower_net.py": 1,  # tables that it may lack
    "market/ledger/books/reclear.py": 2,  # whether a value is an array, of whichever library
}
"""How often a file asks for an attribute with a default in its stead. Of our own values nobody does: a misspelt name
would give the default without a word."""

CHANCE = ("gridbazaar.data.chance", "gridbazaar.agents.kind.Draw", "numpy.random")

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


def modules() -> dict[str, str]:
    """Files of ours by dotted name; the package itself, which gives public names to users, is left out."""
    found = {}
    for _, file in sources(LAYERS):
        found[".".join(("gridbazaar", *file.removesuffix(".py").removesuffix("/__init__").split("/")))] = file
    return found


def imported_files(source: str, files: dict[str, str]) -> set[str]:
    """Files of ours that a source imports, wherever in it."""
    found = set()
    for _, target in targets(ast.parse(source)):
        name = target
        while name and name not in files:
            name = name.rpartition(".")[0]
        if name:
            found.add(files[name])
    return found


@lru_cache(maxsize=1)
def import_graph() -> dict[str, set[str]]:
    """Which file imports which others."""
    files = modules()
    return {file: imported_files(text, files) - {file} for text, file in sources(LAYERS)}


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """Groups of nodes that reach each other."""
    reach = {node: set(to) for node, to in graph.items()}
    for via in reach:
        for node in reach:
            if via in reach[node]:
                reach[node] |= reach[via]
    found = {tuple(sorted(b for b in reach[a] if b in reach and a in reach[b])) for a in reach if a in reach[a]}
    return [list(group) for group in sorted(found)]


def rooms(graph: dict[str, set[str]], folder: str) -> dict[str, set[str]]:
    """The same graph between the rooms and the loose files of a folder."""

    def room(file: str) -> str | None:
        return f"{folder}/{file.removeprefix(folder + '/').split('/')[0]}" if file.startswith(f"{folder}/") else None

    found: dict[str, set[str]] = {}
    for file, others in graph.items():
        if (own := room(file)) is not None:
            found.setdefault(own, set()).update(r for r in map(room, others) if r not in (None, own))
    return found


def code_in_init(source: str, file: str) -> list[str]:
    """Statements of an ``__init__.py`` beside its docstring, where the folder does not list itself."""
    folder, _, name = file.rpartition("/")
    if name != "__init__.py" or folder in LISTED:
        return []
    tree = ast.parse(source)
    first = 1 if ast.get_docstring(tree) else 0
    return [f"{file}:{node.lineno} holds code: give it a file with a name" for node in tree.body[first:]]


def asks_with_default(source: str, file: str) -> list[str]:
    """Attributes asked for with a default in their stead."""
    return [
        f"{file}:{node.lineno} asks {ast.unparse(node)}: a contract has the field, or it is a mistake"
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "getattr"
        if len(node.args) + len(node.keywords) > 2
    ]


def chance_in_play(source: str, file: str) -> list[str]:
    """What a file that plays intervals imports of chance."""
    return [
        f"{file}:{getattr(node, 'lineno', 0)} imports {target}: what is drawn is drawn by envs/episode"
        for node, target in dotted_uses(ast.parse(source))
        if any(target == name or target.startswith(f"{name}.") for name in CHANCE)
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


def test_no_files_import_each_other_in_a_circle() -> None:
    assert not circles(import_graph())


def test_no_rooms_import_each_other_in_a_circle() -> None:
    graph = import_graph()
    folders = {str(Path(file).parent) for file in graph}
    folders |= {str(Path(folder).parent) for folder in folders if "/" in folder}
    assert len(folders) > 30
    faults = {folder: found for folder in sorted(folders) if (found := circles(rooms(graph, folder)))}
    assert not faults


def test_no_mechanism_imports_another() -> None:
    graph = {file: to for file, to in import_graph().items() if file.startswith("market/mechanisms/")}
    assert len(graph) > 15
    faults = [f"{a} imports {b}" for a, to in graph.items() for b in to if b in graph and not b.endswith("__init__.py")]
    assert not faults


def test_only_folders_that_list_themselves_have_code_in_their_init() -> None:
    faults = [fault for text, file in sources(LAYERS) for fault in code_in_init(text, file)]
    assert not faults, "\n".join(faults)
    for folder in LISTED:
        text = (ROOT / folder / "__init__.py").read_text(encoding="utf-8")
        assert "def list_" in text or "def kinds" in text, f"{folder} does not list itself"


def test_every_folder_says_what_it_promises() -> None:
    for text, file in sources(LAYERS):
        if file.endswith("__init__.py"):
            assert ast.get_docstring(ast.parse(text)), file


def test_nobody_asks_our_own_values_for_a_field_with_a_default() -> None:
    for text, file in sources(LAYERS):
        faults = asks_with_default(text, file)
        assert len(faults) == ASKS_WITH_DEFAULT.get(file, 0), "\n".join(faults) or f"{file} asks less: lower its number"


def test_what_plays_an_interval_imports_no_chance() -> None:
    played = [(t, f) for t, f in sources(("envs",)) if f.startswith("envs/interval/") or f == "envs/core.py"]
    assert len(played) > 10
    faults = [fault for text, file in played for fault in chance_in_play(text, file)]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(
    ("graph", "found"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}, [["a", "b", "c"]]),
        ({"a": {"b"}, "b": {"a"}, "c": {"d"}, "d": {"c"}}, [["a", "b"], ["c", "d"]]),
        ({"a": {"b", "c"}, "b": {"c"}, "c": set()}, []),
    ],
)
def test_a_circle_is_noticed(graph: dict[str, set[str]], found: list[list[str]]) -> None:
    assert circles(graph) == found


def test_a_circle_of_rooms_is_noticed_where_no_files_form_one() -> None:
    graph = {
        "m/a/x.py": {"m/b/y.py"},
        "m/b/y.py": set(),
        "m/b/z.py": {"m/a/w.py"},
        "m/a/w.py": set(),
        "m/l.py": {"m/a/x.py"},
    }
    assert not circles(graph)
    assert circles(rooms(graph, "m")) == [["m/a", "m/b"]]
    assert not circles(rooms({"m/a/x.py": {"m/l.py"}, "m/l.py": {"m/b/y.py"}, "m/b/y.py": set()}, "m"))


def test_imports_are_traced_to_their_files() -> None:
    files = {"gridbazaar.market": "market/__init__.py", "gridbazaar.market.grid.flow": "market/grid/flow.py"}
    source = "from gridbazaar.market.grid import flow\ndef f():\n    import gridbazaar.market.grid.flow\nimport numpy"
    assert imported_files(source, files) == {"market/grid/flow.py"}
    assert imported_files("from gridbazaar.market.grid.flow import Flow", files) == {"market/grid/flow.py"}


def test_code_in_an_init_is_noticed() -> None:
    assert len(code_in_init('"""Rooms."""\nfrom x import y\n', "market/grid/__init__.py")) == 1
    assert not code_in_init('"""Rooms."""\n', "market/grid/__init__.py")
    assert not code_in_init("def kinds(): ...", "agents/kinds/__init__.py")


def test_a_question_with_a_default_is_noticed() -> None:
    assert len(asks_with_default("x = getattr(config, 'ageing', None)", "envs/x.py")) == 1
    assert not asks_with_default("x = getattr(config, name)", "envs/x.py")


@pytest.mark.parametrize(
    "source",
    [
        "from gridbazaar.data.chance import uniform",
        "from gridbazaar.agents.kind import Draw, Now",
        "import numpy as np\nx = np.random.random",
        "def f():\n    from numpy.random import default_rng",
    ],
)
def test_chance_in_an_interval_is_noticed(source: str) -> None:
    assert chance_in_play(source, "envs/interval/x.py")
