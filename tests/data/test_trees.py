"""Trees and blocks of arrays, treated alike."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pytest

from gridbazaar.data.trees import each, mapped, pick_rows, put_rows, replace_rows, take_rows


class Two(NamedTuple):
    first: Any
    second: Any


@dataclass(frozen=True, slots=True)
class Leaf:
    x: Any
    spare: Any = None


@dataclass(frozen=True, slots=True)
class Tree:
    leaf: Leaf
    parts: tuple[Any, ...]
    pair: Two
    name: str = "oak"


@dataclass(frozen=True, slots=True)
class Single:
    x: Any


@dataclass(frozen=True, slots=True)
class Columns:
    a: Any
    b: Any


def rows(*values: float) -> Any:
    return np.array(values)


def tree(shift: float = 0.0) -> Tree:
    x = rows(1, 2, 3) + shift
    return Tree(Leaf(x), (10 * x, Leaf(100 * x)), Two(x[:, None], "kept"))


def test_every_array_of_a_tree_is_mapped_and_the_rest_kept() -> None:
    found = mapped(tree(), lambda x: x + 1)
    assert found.leaf.x.tolist() == [2, 3, 4]
    assert found.parts[0].tolist() == [11, 21, 31]
    assert found.parts[1].x.tolist() == [101, 201, 301]
    assert found.pair.first.tolist() == [[2], [3], [4]]
    assert (found.leaf.spare, found.pair.second, found.name) == (None, "kept", "oak")
    assert isinstance(found.pair, Two)


def test_arrays_at_the_same_place_meet() -> None:
    found = mapped(tree(), lambda x, y: y - x, tree(0.5))
    assert found.leaf.x.tolist() == [0.5] * 3
    assert found.parts[1].x.tolist() == [50] * 3


def test_a_tree_in_which_nothing_changes_stays_the_same() -> None:
    whole = tree()
    assert mapped(whole, lambda x: x) is whole
    assert mapped((1, "a"), lambda x: x + 1) == (1, "a")


def test_numbers_of_numpy_are_mapped_but_have_no_rows() -> None:
    leaf = Leaf(rows(1, 2), np.float64(3))
    assert mapped(leaf, lambda x: 2 * x).spare == 6
    assert take_rows(leaf, np.array([1])).spare == 3
    assert replace_rows(leaf, np.array([True, False]), Leaf(rows(7, 8), np.float64(9))).spare == 3


def test_rows_are_taken_in_their_order() -> None:
    found = take_rows(tree(), np.array([2, 0]))
    assert found.leaf.x.tolist() == [3, 1]
    assert found.pair.first.tolist() == [[3], [1]]


def test_marked_rows_come_from_the_other_tree() -> None:
    found = replace_rows(tree(), np.array([False, True, False]), tree(0.5))
    assert found.leaf.x.tolist() == [1, 2.5, 3]
    assert found.pair.first.tolist() == [[1], [2.5], [3]]


def test_each_field_of_blocks_is_made_of_the_same_field() -> None:
    one, two = Columns(rows(1, 2), rows(3, 4)), Columns(rows(10, 20), rows(30, 40))
    assert [x.tolist() for x in (each(one, lambda x: -x).a, each(one, lambda x: -x).b)] == [[-1, -2], [-3, -4]]
    joined = each(one, lambda *parts: np.concatenate(parts), two)
    assert (joined.a.tolist(), joined.b.tolist()) == ([1, 2, 10, 20], [3, 4, 30, 40])
    assert each(Single(rows(1)), lambda x: x + 1).x.tolist() == [2]


@pytest.mark.parametrize("at", [np.array([True, False, True]), np.array([0, 2])])
def test_rows_of_a_block_go_out_and_come_back(at: Any) -> None:
    block = Leaf(rows(1, 2, 3))
    part = pick_rows(block, at)
    assert (part.x.tolist(), part.spare) == ([1, 3], None)
    back = put_rows(block, at, Leaf(10 * part.x))
    assert (back.x.tolist(), back.spare) == ([10, 2, 30], None)
    assert block.x.tolist() == [1, 2, 3], "the block itself is left alone"


def test_shared_fields_have_no_rows() -> None:
    part = pick_rows(Columns(rows(1, 2, 3), rows(4, 5)), np.array([1]), "b")
    assert (part.a.tolist(), part.b.tolist()) == ([2], [4, 5])
