"""The house: which rooms the code has, and which of them import which, read from its files.

A room is a folder inside a layer, with all that lies deeper. Files that lie loose in a layer are rooms of their own;
those of one storey share one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

LAYERS = ("data", "market", "agents", "envs", "experiments")
"""From the ground up; imports run downwards."""
_PACKAGE = "gridbazaar."


@dataclass(frozen=True, slots=True)
class Room:
    """One room of a layer."""

    layer: str
    names: tuple[str, ...]  # of the folder, or of loose files that share a storey
    promises: tuple[str, ...]  # of each name, the first line of its docstring
    n_files: int
    storey: int  # 0 stands on the ground of the layer; everything else on what it imports
    below: frozenset[int]  # rooms of the same layer that it imports, by their number in the house
    layers: tuple[str, ...]  # other layers that it imports, from the ground up


def read_house(root: Path) -> list[Room]:
    """Read the rooms of all layers below a checkout's root, those of one layer together, in a fixed order."""
    rooms: list[Room] = []
    for layer in LAYERS:
        files = {name: _files(root / layer, name) for name in _names(root / layer)}
        reached = {name: {r for f in found for r in _imports(f)} for name, found in files.items()}
        inside = {name: _inside(layer, found, files) - {name} for name, found in reached.items()}
        storeys = _storeys(inside)
        shared = _shared(root / layer, storeys)
        number = {name: len(rooms) + i for i, names in enumerate(shared) for name in names}
        for names in shared:
            layers = {head for name in names for head, *_ in reached[name]} - {layer}
            rooms.append(
                Room(
                    layer=layer,
                    names=names,
                    promises=tuple(_promise(root / layer, name) for name in names),
                    n_files=sum(len(files[name]) for name in names),
                    storey=storeys[names[0]],
                    below=frozenset(number[other] for name in names for other in inside[name]) - {number[names[0]]},
                    layers=tuple(other for other in LAYERS if other in layers),
                )
            )
    return rooms


def _names(layer: Path) -> list[str]:
    """Folders of a layer and its loose files, by name."""
    folders = (p.name for p in layer.iterdir() if p.is_dir() and next(p.rglob("*.py"), None))
    return sorted([*folders, *(p.stem for p in layer.glob("*.py") if p.stem != "__init__")])


def _files(layer: Path, name: str) -> list[Path]:
    """Code and configuration; a package's ``__init__`` counts where it holds more than a docstring."""
    found = [p for p in sorted((layer / name).rglob("*")) if p.suffix in (".py", ".toml")]
    return [p for p in [*found, *layer.glob(f"{name}.py")] if p.stem != "__init__" or len(_tree(p).body) > 1]


def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def _promise(layer: Path, name: str) -> str:
    path = layer / f"{name}.py" if (layer / f"{name}.py").is_file() else layer / name / "__init__.py"
    return (ast.get_docstring(_tree(path)) or "").partition("\n")[0] if path.is_file() else ""


def _imports(path: Path) -> Iterator[tuple[str, ...]]:
    """Parts of the dotted names that a file imports from the package, wherever in the file."""
    for node in ast.walk(_tree(path)) if path.suffix == ".py" else ():
        found: list[str] = []
        if isinstance(node, ast.ImportFrom):
            found = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        yield from (tuple(n.removeprefix(_PACKAGE).split(".")) for n in found if n.startswith(_PACKAGE))


def _inside(layer: str, reached: Set[tuple[str, ...]], names: Mapping[str, object]) -> set[str]:
    return {parts[1] for parts in reached if len(parts) > 1 and parts[0] == layer and parts[1] in names}


def _storeys(inside: Mapping[str, Set[str]]) -> dict[str, int]:
    """Put each room above all that it imports; what would close a circle does not count."""
    found: dict[str, int] = {}

    def climb(name: str, path: tuple[str, ...]) -> int:
        if name not in found:
            others = [climb(other, (*path, name)) for other in sorted(inside[name]) if other not in (*path, name)]
            found[name] = max(others, default=-1) + 1
        return found[name]

    for name in sorted(inside):
        climb(name, ())
    return found


def _shared(layer: Path, storeys: Mapping[str, int]) -> list[tuple[str, ...]]:
    """The names in each room: a folder alone, loose files together with those of their storey."""
    folders = [(storey, (name,)) for name, storey in storeys.items() if not (layer / f"{name}.py").is_file()]
    loose: dict[int, list[str]] = {}
    for name in sorted(storeys):
        if (layer / f"{name}.py").is_file():
            loose.setdefault(storeys[name], []).append(name)
    return [names for _, names in sorted([*folders, *((storey, tuple(names)) for storey, names in loose.items())])]
