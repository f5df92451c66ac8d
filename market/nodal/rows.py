"""Some rows of a batch that is held in a dataclass, and back."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, TypeVar

from gridbazaar.data.arrays import Array, namespace

Batch = TypeVar("Batch")


def pick_rows(batch: Batch, rows: Array, *shared: str) -> Batch:
    """Give the rows at a mask or index; fields named in ``shared`` have no rows, and None stays None."""
    values = {name: getattr(batch, name) for name in _names(batch)}
    return type(batch)(**{k: x if k in shared or x is None else x[rows] for k, x in values.items()})


def put_rows(batch: Batch, rows: Array, part: Batch) -> Batch:
    """Give a copy with the rows at a mask or index replaced by those of ``part``."""
    values = {}
    for name in _names(batch):
        whole = getattr(batch, name)
        if whole is None:
            continue
        values[name] = namespace(whole).concat((whole,), axis=0)  # a copy in either library
        values[name][rows] = getattr(part, name)
    return type(batch)(**values)


def _names(batch: Any) -> list[str]:
    return [field.name for field in fields(batch)]
