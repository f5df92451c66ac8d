"""The tree of RFC 6962: published roots and proofs, and pymerkle on a thousand random trees."""

from __future__ import annotations

from hashlib import sha256

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymerkle import InmemoryTree, verify_consistency

from gridbazaar.market.ledger.log.merkle import (
    Paths,
    Tree,
    check_consistency,
    check_inclusion,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    node_hash,
    root_of,
)

BODIES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
LEAVES = [leaf_hash(body) for body in BODIES]
ROOTS = [  # by size 0..8; transparency-dev/merkle, testonly/constants.go
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
SIZES = st.integers(1, 40)


def begins(proof: list[bytes], starts: tuple[str, ...]) -> bool:
    """Whether each hash begins as published."""
    return len(proof) == len(starts) and all(h.hex().startswith(s) for h, s in zip(proof, starts, strict=True))


def leaves_of(n: int) -> list[bytes]:
    """Hashes of n different entries."""
    return [leaf_hash(str(i).encode()) for i in range(n)]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    assert root_of(LEAVES[:size]).hex() == ROOTS[size]


def test_inclusion_proofs_are_the_published_ones() -> None:
    assert begins(inclusion_proof(LEAVES, 0), ("96a296d2", "5f083f0a", "6b47aaf2"))
    assert begins(inclusion_proof(LEAVES, 5), ("bc1a0643", "ca854ea1", "d37ee418976dd957"))


def test_consistency_proofs_are_the_published_ones() -> None:
    assert begins(consistency_proof(LEAVES, 6), ("0ebc5d34", "ca854ea1", "d37ee418976dd957"))
    assert begins(consistency_proof(LEAVES[:5], 2), ("5f083f0a", "bc1a0643"))


@given(SIZES, st.data())
def test_every_entry_is_proved_and_no_other(n: int, data: st.DataObject) -> None:
    leaves, index = leaves_of(n), data.draw(st.integers(0, n - 1))
    proof, root = inclusion_proof(leaves, index), root_of(leaves)
    assert check_inclusion(leaves[index], index, n, proof, root)
    other = data.draw(st.integers(0, n - 1))
    assert check_inclusion(leaves[other], index, n, proof, root) == (other == index)
    assert check_inclusion(leaves[index], other, n, proof, root) == (other == index)
    assert not check_inclusion(leaves[index], index, n, [*proof, root], root)
    assert not check_inclusion(leaves[index], n, n, proof, root)
    assert not check_inclusion(leaves[index], index, 2 * n, proof, root), "the tree is said to be larger"
    assert not check_inclusion(leaves[index], -1, n, proof, root)
    if proof:
        assert not check_inclusion(leaves[index], index, n, proof[:-1], root)
        assert not check_inclusion(leaves[index], index, n, [p[:-1] for p in proof], root)


@given(SIZES, SIZES, st.data())
def test_growth_is_proved_and_rewriting_is_not(a: int, b: int, data: st.DataObject) -> None:
    old, new = sorted((a, b))
    leaves = leaves_of(new)
    proof, root, old_root = consistency_proof(leaves, old), root_of(leaves), root_of(leaves[:old])
    assert check_consistency(old, old_root, new, root, proof)
    rewritten = [*leaves]
    rewritten[data.draw(st.integers(0, old - 1))] = leaf_hash(b"rewritten")
    assert not check_consistency(old, root_of(rewritten[:old]), new, root, proof)
    assert not check_consistency(old, old_root, new, root_of(rewritten), consistency_proof(rewritten, old))
    assert not check_consistency(new + 1, root, new, root, proof)
    assert not check_consistency(old, old_root, 2 * new, root, proof), "the tree is said to be larger"
    assert not check_consistency(0, root_of([]), new, root, proof)
    assert not check_consistency(old, old_root, new, root, [*proof, root])
    if proof:
        assert not check_consistency(old, old_root, new, root, proof[:-1])


@given(SIZES)
def test_a_growing_tree_has_the_root_of_its_leaves(n: int) -> None:
    leaves, tree = leaves_of(n), Tree()
    for size, leaf in enumerate(leaves, 1):
        fork = tree.copy()
        fork.append(leaf_hash(b"elsewhere"))
        tree.append(leaf)
        assert tree.size == size
        assert tree.root() == slow_root(leaves[:size])


def slow_root(leaves: list[bytes]) -> bytes:
    """RFC 6962, 2.1, as it is written."""
    if len(leaves) == 1:
        return leaves[0]
    k = max(2**i for i in range(7) if 2**i < len(leaves))
    return sha256(b"\x01" + slow_root(leaves[:k]) + slow_root(leaves[k:])).digest()


def test_an_inner_node_is_no_entry() -> None:
    """A second preimage: the body 'left right' must not hash to the node over left and right."""
    body = LEAVES[0] + LEAVES[1]
    assert leaf_hash(body) != node_hash(LEAVES[0], LEAVES[1])
    node, root = node_hash(LEAVES[0], LEAVES[1]), root_of(LEAVES[:4])
    shortened = inclusion_proof(LEAVES[:4], 0)[1:]
    assert check_inclusion(node, 0, 2, shortened, root)  # the hashes alone would do ...
    assert not check_inclusion(leaf_hash(body), 0, 2, shortened, root)  # ... but no body has that leaf
    assert not check_inclusion(node, 0, 4, shortened, root)


def test_a_proof_of_what_is_not_there_is_refused() -> None:
    for index in (-1, 8):
        with pytest.raises(ValueError, match="expected an index below 8"):
            inclusion_proof(LEAVES, index)
    for size in (0, 9):
        with pytest.raises(ValueError, match="expected a size from 1 to 8"):
            consistency_proof(LEAVES, size)


def test_a_thousand_random_trees_are_those_of_pymerkle() -> None:
    """Root, an inclusion and a consistency proof of each; pymerkle's inclusion path begins with the leaf.

    Its consistency proofs have a form of their own, so each side checks its own proof against the other's roots.
    """
    rng = np.random.default_rng(6962)
    for _ in range(1000):
        bodies = [rng.bytes(int(rng.integers(0, 40))) for _ in range(int(rng.integers(1, 60)))]
        oracle = InmemoryTree(algorithm="sha256")
        for body in bodies:
            oracle.append_entry(body)
        leaves, n = [leaf_hash(body) for body in bodies], len(bodies)
        index, old = int(rng.integers(n)), int(rng.integers(1, n + 1))
        assert root_of(leaves) == oracle.get_root()
        assert root_of(leaves[:old]) == oracle.get_root(old)
        path = oracle.prove_inclusion(index + 1, n).path
        assert [leaves[index], *inclusion_proof(leaves, index)] == path
        verify_consistency(root_of(leaves[:old]), root_of(leaves), oracle.prove_consistency(old, n), old, n)
        assert check_consistency(old, oracle.get_root(old), n, oracle.get_root(), consistency_proof(leaves, old))


def test_paths_that_share_nodes_are_the_same_proofs() -> None:
    leaves = [leaf_hash(str(i).encode()) for i in range(37)]
    paths = Paths(leaves)
    for size in range(1, len(leaves) + 1):
        for index in range(size):
            found = [paths.nodes[place] for place in paths.proof(index, size)]
            assert found == inclusion_proof(leaves[:size], index)
    assert len(set(paths.nodes)) == len(paths.nodes), "each node stands there once"
    with pytest.raises(ValueError, match="expected an index below 5 and a size up to 37, got index 5"):
        paths.proof(5, 5)
