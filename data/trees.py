"""Arrays that belong together, treated alike: trees of them, and blocks.

A *tree* is a frozen dataclass or a tuple that holds arrays and other trees. A *block* is one frozen dataclass whose
fields are all of one sort; ``each``, ``pick_rows`` and ``put_rows`` are for the step, where calls count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.arrays import Array, namespace

Block = TypeVar("Block")


def mapped(tree: Any, function: Callable[..., Any], *others: Any) -> Any:
    """Give the tree with every array as the function makes it, of that array and those at the same place of others.

    Numbers of NumPy count as arrays; what is none stays as it is, and so does a tree in which nothing changes.
    """
    if hasattr(tree, "dtype"):
        return function(tree, *others)
    if isinstance(tree, tuple):
        parts = [mapped(part, function, *rest) for part, *rest in zip(tree, *others, strict=True)]
        if all(new is old for new, old in zip(parts, tree, strict=True)):
            return tree
        return type(tree)(*parts) if hasattr(tree, "_fields") else tuple(parts)
    kind: Any = type(tree)
    if not _is_block(kind):
        return tree
    values = _values_of(kind)
    before = values(tree)
    after = tuple(mapped(part, function, *rest) for part, *rest in zip(before, *map(values, others), strict=True))
    if all(new is old for new, old in zip(after, before, strict=True)):
        return tree
    return kind(**dict(zip(_names_of(kind), after, strict=True)))


def take_rows(tree: Any, rows: NDArray[np.int64]) -> Any:
    """Give the tree with only these rows of its arrays, in this order."""
    return mapped(tree, lambda x: x[rows] if x.ndim else x)


def replace_rows(tree: Any, rows: NDArray[np.bool_], other: Any) -> Any:
    """Give the tree with the marked rows from another one of the same shape.

    Args:
        tree: arrays whose first axis is [n_envs].
        rows: [n_envs] which to replace.
        other: where they come from.
    """

    def either(x: Any, y: Any) -> Any:
        return np.where(rows.reshape(-1, *[1] * (x.ndim - 1)), y, x) if x.ndim else x

    return mapped(tree, either, other)


def each(block: Block, function: Callable[..., Any], *others: Any) -> Block:
    """Give a block of the same kind, each field as the function makes it, of that field and of the same one of others.

    ``each(block, lambda *parts: xp.concat(parts, axis=1), *more_blocks)`` joins blocks.
    """
    kind: Any = type(block)
    values = _values_of(kind)
    made: Block = kind(*map(function, values(block), *map(values, others)))
    return made


def pick_rows(block: Block, rows: Array, *shared: str) -> Block:
    """Give the rows at a mask or index; fields named in ``shared`` have no rows, and None stays None."""
    kind: Any = type(block)
    named = zip(_names_of(kind), _values_of(kind)(block), strict=True)
    picked: Block = kind(*[x if x is None or name in shared else x[rows] for name, x in named])
    return picked


def put_rows(block: Block, rows: Array, part: Block) -> Block:
    """Give a copy with the rows at a mask or index replaced by those of ``part``; None stays None."""

    def put(whole: Array, new: Array) -> Array:
        if whole is None:
            return None
        copied = namespace(whole).concat((whole,), axis=0)  # in either library
        copied[rows] = new
        return copied

    return each(block, put, part)


@cache
def _is_block(kind: Any) -> bool:
    return is_dataclass(kind)


@cache
def _names_of(kind: Any) -> tuple[str, ...]:
    return tuple(f.name for f in fields(kind))


@cache
def _values_of(kind: Any) -> Callable[[Any], tuple[Any, ...]]:
    """Give what reads all fields of a block at once: a third of the time that it takes one by one."""
    names = _names_of(kind)
    return attrgetter(*names) if len(names) > 1 else lambda block: tuple(getattr(block, name) for name in names)
