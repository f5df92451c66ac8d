"""Everything that is found by name, in one way: a listed name, a file of one's own, an installed package, an object.

What ships lies in folders that list themselves, one file each. A package registers what it brings as entry points of
the group that its sort names; it is imported when it is used, never to list it.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from hashlib import sha256
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from pkgutil import iter_modules
from types import ModuleType
from typing import Any

from gridbazaar.data.own import Reference, load_code, pinned, reference_of
from gridbazaar.data.tables import check_value, forms


@dataclass(frozen=True, slots=True)
class Sort:
    """A sort of things that are found by name."""

    what: str  # as messages call one of them
    group: str  # of entry points
    path: str  # what files of it are called, for messages
    needs: str  # what an object has to be, for messages

    def unknown(self, given: Any, listed: Iterable[str], why: str = "") -> ValueError:
        """Give the error that says what there is, and what came."""
        known = [*listed, *installed(self.group)]
        near = difflib.get_close_matches(str(given), known, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        names = f"one of {', '.join(known)}, a path" if known else "a path"
        return ValueError(
            f"{self.what}: expected {names} ({self.path}), or {self.needs}; got {given!r}{why and f', {why}'}{hint}"
        )


def names_in(path: Iterable[str]) -> list[str]:
    """Name the files of a package's ``__path__``, in alphabetical order."""
    return sorted(module.name for module in iter_modules(path) if not module.name.startswith("_"))


@lru_cache(maxsize=16)
def installed(group: str) -> dict[str, EntryPoint]:
    """Give what installed packages bring under a group, by name; nothing of it is imported."""
    return {entry.name: entry for entry in sorted(entry_points(group=group), key=lambda entry: entry.name)}


def find(sort: Sort, given: Any, listed: Sequence[str], shipped: Callable[[str], Any]) -> Any:
    """Give what a name, a path or an installed package stands for; an object stands for itself.

    Args:
        sort: what is looked for.
        given: a name, a ``Reference`` as text, a path, or an object.
        listed: names that ship with the package.
        shipped: gives what a listed name stands for.

    Raises:
        ValueError: it is none of these; says which there are.
    """
    if not isinstance(given, str | Path):
        return given
    text = str(given)
    if text in listed:
        return shipped(text)
    reference = reference_of(text)
    if reference is not None and ".py" in sort.path and reference.is_code:
        try:
            return load_code(text if reference.sha256 else pinned(text))
        except ValueError as error:
            raise ValueError(f"{sort.what} {_shown(reference)!r}: {error}") from error
    if text in installed(sort.group):
        entry = installed(sort.group)[text]
        try:
            return entry.load()
        except Exception as error:
            raise ValueError(f"{sort.what} {text!r}: {entry.value} cannot be loaded, {error}") from error
    raise sort.unknown(text, listed)


def _shown(reference: Reference) -> str:
    return reference.stem if reference.name is None else f"{reference.stem}:{reference.name}"


def name_of(given: Any) -> str:
    """Give the short name of what was found by name: that of a file without its path, or an object's own."""
    if isinstance(given, str | Path):
        reference = reference_of(given)
        return str(given) if reference is None else reference.name or reference.stem
    named = given if hasattr(given, "__name__") else type(given)
    return str(named.__name__).rpartition(".")[2]


def code_of(given: Any, sort: Sort | None = None) -> Path | None:
    """Give the file of the code of what is not shipped; none: it is shipped, or has no file.

    Args:
        given: a name, a reference or an object.
        sort: where a name is looked up among installed packages.
    """
    reference = reference_of(given)
    if reference is not None:
        return Path(reference.path)
    if isinstance(given, str):
        entry = installed(sort.group).get(given) if sort is not None else None
        return None if entry is None else code_of(entry.load())
    try:
        file = inspect.getsourcefile(
            given if inspect.isroutine(given) or inspect.isclass(given) or inspect.ismodule(given) else type(given)
        )
    except TypeError:
        return None
    return Path(file) if file is not None and Path(file).is_file() else None


_LONGEST = 64  # name in a record
OWN_RULE = "#sha256="
"""Stands in the name of what does not ship, before the hash of its code."""


def stated(given: Any, sort: Sort) -> str:
    """Name a rule as records state it: what ships by its name alone, all else with the hash of its code."""
    if isinstance(given, str) and reference_of(given) is None and given not in installed(sort.group):
        return given
    file = code_of(given, sort)
    name = re.sub(r"[^A-Za-z0-9._-]", "", name_of(given)).lstrip("._-")[:_LONGEST] or "own"
    return f"{name}{OWN_RULE}{'unknown' if file is None else sha256(file.read_bytes()).hexdigest()}"


def module_of(what: str, name: str, package: str, known: list[str]) -> ModuleType:
    """Import the file ``name``; ``ValueError`` with the nearest names for one that is not ``known``."""
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        raise ValueError(f"{what}: expected one of {', '.join(known)}; got {name!r}{hint}")
    return import_module(f"{package}.{name}")


def with_options(what: str, name: str, function: Callable[..., Any], options: dict[str, Any]) -> Callable[..., Any]:
    """Give a function with its keyword options set.

    Raises:
        ValueError: it has no option of a name, or an option is out of the bounds that its annotation declares.
    """
    parameters = inspect.signature(function).parameters.values()
    allowed = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    unknown = [option for option in options if option not in allowed]
    if unknown:
        raise ValueError(
            f"{what} {name!r}: unknown option {', '.join(map(repr, unknown))}; "
            f"expected one of: {', '.join(allowed) or 'none, it has no options'}"
        )
    found = forms(function) if options else {}
    for option, value in options.items():
        if option in found:  # an own rule need not annotate
            check_value(value, found[option], f"{what} {name}.{option}")
    return partial(function, **options)
