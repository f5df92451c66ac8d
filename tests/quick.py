"""Which cases of a sweep every run of the unit tests tries; the others carry the slow mark."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from typing import TypeVar

import pytest

Case = TypeVar("Case")


def only(quick: Container[Case] | Callable[[Case], bool], cases: Iterable[Case]) -> list[object]:
    """All cases, those that are not quick as slow tests; tuples are cases of several arguments."""
    is_quick = quick if callable(quick) else quick.__contains__
    return [case if is_quick(case) else _slow(case) for case in cases]


def _slow(case: object) -> object:
    return pytest.param(*case if isinstance(case, tuple) else (case,), marks=pytest.mark.slow)
