"""What tests of all folders may ask for."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import settings
from numpy.typing import NDArray

from tests.stacks import is_there

# How long a case takes depends on what else the machine does.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")


def pytest_collection_finish() -> None:
    """Spare the garbage collector what the collection made: it stays until the end."""
    gc.collect()
    gc.freeze()


# What these test cannot be imported without torch.
collect_ignore = [] if is_there("torch") else ["experiments/test_demo.py", "experiments/training/gradient"]

Lend = Callable[[NDArray[Any]], NDArray[Any]]


@pytest.fixture
def lent() -> Iterator[Lend]:
    """Lend a series that all share to be written into; what it held is put back."""
    kept: list[tuple[NDArray[Any], NDArray[Any], bool]] = []

    def lend(series: NDArray[Any]) -> NDArray[Any]:
        kept.append((series, series.copy(), series.flags.writeable))
        series.flags.writeable = True
        return series

    yield lend
    for series, old, was_writeable in kept:
        series[...] = old
        series.flags.writeable = was_writeable
