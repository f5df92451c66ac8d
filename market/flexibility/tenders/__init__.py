"""Calls and tenders for flexibility: one file each, holding one function of its name; found by listing this folder.

A tender is ``name(call, offers, *, options...) -> Award``: a network operator says what its constraints need, owners of
devices say what they would change and for how much, and the rule says whom it calls and what they get.
"""

from __future__ import annotations

from typing import Any

from gridbazaar.data.registry import module_of, names_in, with_options
from gridbazaar.market.flexibility.offers import Tender


def list_tenders() -> list[str]:
    """Name every call and tender, in alphabetical order."""
    return names_in(__path__)


def load_tender(name: str, **options: Any) -> Tender:
    """Give the tender ``name`` with its options set, ready to be called with a call and offers."""
    module = module_of("tender", name, __name__, list_tenders())
    return with_options("tender", name, vars(module)[name], options)
