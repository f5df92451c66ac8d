"""Who may import whom, and what the lower layers must leave alone: heavy libraries, global chance, the clock.

Also what keeps the house guessable: no circles, code only where it is looked for, nothing asked behind a contract's
back, and nothing drawn while an interval is played.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.layering import (
    ASKS_WITH_DEFAULT,
    LAYERS,
    LISTED,
    PURE,
    ROOT,
    asks_with_default,
    chance_in_play,
    circles,
    code_in_init,
    heavy_imports,
    import_graph,
    imported_files,
    rooms,
    sources,
    unseeded,
    upward_imports,
)


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
