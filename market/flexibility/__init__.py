"""Calls and tenders for flexibility: one file each, holding one function of its name; found by listing this folder.

A tender is ``name(call, offers, *, options...) -> Award``: a network operator says what its constraints need, owners of
devices say what they would change and for how much, and the rule says whom it calls and what they get.
"""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, TypeAlias

from gridbazaar.market.offers import Award, Call, Offers

Tender: TypeAlias = Callable[[Call, Offers], Award]


def list_tenders() -> list[str]:
    """Name every call and tender, in alphabetical order."""
    return sorted(module.name for module in iter_modules(__path__) if not module.name.startswith("_"))


def load_tender(name: str, **options: Any) -> Tender:
    """Give the tender ``name`` with its options set, ready to be called with a call and offers."""
    known = list_tenders()
    if name not in known:
        near = difflib.get_close_matches(str(name), known, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else "."
        raise ValueError(f"unknown tender {name!r}{hint} Expected one of: {', '.join(known)}")
    function = getattr(import_module(f"{__name__}.{name}"), name)
    parameters = inspect.signature(function).parameters.values()
    allowed = [p.name for p in parameters if p.kind is inspect.Parameter.KEYWORD_ONLY]
    unknown = [option for option in options if option not in allowed]
    if unknown:
        raise ValueError(
            f"tender {name!r}: unknown option {', '.join(map(repr, unknown))}; "
            f"expected one of: {', '.join(allowed) or 'none, it has no options'}"
        )
    tender: Tender = partial(function, **options)
    return tender
