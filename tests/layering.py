"""The rules of the tree as functions of sources and imports; ``test_layers.py`` applies and tries them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

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
