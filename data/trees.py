"""Rows of a batch: pick some, or replace some, in every array of a tree of frozen dataclasses and tuples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


def take_rows(tree: Any, rows: NDArray[np.int64]) -> Any:
    """Give the tree with only these rows, in this order; what is no array stays as it is."""
    return _map(lambda x: x[rows], tree)


def replace_rows(tree: Any, rows: NDArray[np.bool_], other: Any) -> Any:
    """Give the tree with the marked rows from another one of the same shape.

    Args:
        tree: arrays whose first axis is [n_envs].
        rows: [n_envs] which to replace.
        other: where they come from.
    """
    return _map(lambda x, y: np.where(rows.reshape(-1, *[1] * (x.ndim - 1)), y, x), tree, other)


def _map(function: Callable[..., Any], *trees: Any) -> Any:
    tree = trees[0]
    if isinstance(tree, np.ndarray) and tree.ndim:
        return function(*trees)
    if isinstance(tree, tuple):
        return tuple(_map(function, *parts) for parts in zip(*trees, strict=True))
    if is_dataclass(tree) and not isinstance(tree, type):
        names = [f.name for f in fields(tree)]
        mapped = {name: _map(function, *(getattr(t, name) for t in trees)) for name in names}
        changed = {name: value for name, value in mapped.items() if value is not getattr(tree, name)}
        return replace(tree, **changed) if changed else tree
    return tree


def mapped(value: Any, function: Any) -> Any:
    """Apply a function to every array of a frozen dataclass, and of those inside it."""
    changes = {}
    for field in fields(value):
        inner = getattr(value, field.name)
        other = (
            function(inner) if hasattr(inner, "dtype") else mapped(inner, function) if is_dataclass(inner) else inner
        )
        if other is not inner:
            changes[field.name] = other
    return replace(value, **changes) if changes else value
