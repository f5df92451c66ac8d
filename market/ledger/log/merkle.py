"""The Merkle tree of RFC 6962: one root that stands for a growing list, and short proofs about it.

Leaves are hashed behind a 0x00 byte and inner nodes behind 0x01, so that no node can pass for an entry.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

HASH_BYTES = 32


def leaf_hash(body: bytes) -> bytes:
    """Hash one entry."""
    return sha256(b"\x00" + body).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash an inner node."""
    return sha256(b"\x01" + left + right).digest()


class Tree:
    """A tree that only grows; keeps one hash for each full subtree, the largest first."""

    __slots__ = ("_peaks", "size")

    def __init__(self) -> None:
        self.size = 0
        self._peaks: list[bytes] = []

    def copy(self) -> Tree:
        """Give a tree of the same leaves that grows on its own."""
        other = Tree()
        other.size, other._peaks = self.size, self._peaks[:]
        return other

    def append(self, leaf: bytes) -> None:
        """Add the hash of one entry; each trailing one bit of the size is a subtree that this leaf completes."""
        full = self.size
        while full & 1:
            leaf = node_hash(self._peaks.pop(), leaf)
            full >>= 1
        self._peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        """Give the root over all leaves so far."""
        if not self._peaks:
            return sha256(b"").digest()
        root = self._peaks[-1]
        for peak in self._peaks[-2::-1]:
            root = node_hash(peak, root)
        return root


def root_of(leaves: Sequence[bytes]) -> bytes:
    """Give the root over hashes of entries."""
    tree = Tree()
    for leaf in leaves:
        tree.append(leaf)
    return tree.root()


def inclusion_proof(leaves: Sequence[bytes], index: int) -> list[bytes]:
    """Give the hashes that lead from a leaf to the root over ``leaves`` (RFC 6962, 2.1.1), lowest first."""
    if not 0 <= index < len(leaves):
        raise ValueError(f"expected an index below {len(leaves)}, got {index}")
    if len(leaves) == 1:
        return []
    k = _split(len(leaves))
    if index < k:
        return [*inclusion_proof(leaves[:k], index), root_of(leaves[k:])]
    return [*inclusion_proof(leaves[k:], index - k), root_of(leaves[:k])]


def consistency_proof(leaves: Sequence[bytes], size: int) -> list[bytes]:
    """Give the hashes which show that the tree over the first ``size`` leaves grew into this one (RFC 6962, 2.1.2)."""
    if not 0 < size <= len(leaves):
        raise ValueError(f"expected a size from 1 to {len(leaves)}, got {size}")
    return _grown(leaves, size, True)


def _grown(leaves: Sequence[bytes], size: int, is_whole: bool) -> list[bytes]:
    """``is_whole``: the old tree is this subtree's beginning, whose root the checker has."""
    if size == len(leaves):
        return [] if is_whole else [root_of(leaves)]
    k = _split(len(leaves))
    if size <= k:
        return [*_grown(leaves[:k], size, is_whole), root_of(leaves[k:])]
    return [*_grown(leaves[k:], size - k, False), root_of(leaves[:k])]


def _split(n: int) -> int:
    """The largest power of two below n."""
    return 1 << (n - 1).bit_length() - 1


def check_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Say whether an entry stands at ``index`` of the tree with this size and root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    position, last, found = index, size - 1, leaf
    for other in proof:
        if last == 0:
            return False
        if position & 1 or position == last:
            found = node_hash(other, found)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            found = node_hash(found, other)
        position, last = position >> 1, last >> 1
    return last == 0 and found == root


def check_consistency(old_size: int, old_root: bytes, size: int, root: bytes, proof: Sequence[bytes]) -> bool:
    """Say whether the tree with ``old_root`` is the beginning of the one with ``root`` (RFC 9162, 2.1.4.2)."""
    if not 0 < old_size <= size:
        return False
    if old_size == size:
        return not proof and old_root == root
    path = [old_root, *proof] if old_size & (old_size - 1) == 0 else [*proof]
    if not path:
        return False
    position, last = old_size - 1, size - 1
    while position & 1:
        position, last = position >> 1, last >> 1
    found_old = found = path[0]
    for other in path[1:]:
        if last == 0:
            return False
        if position & 1 or position == last:
            found_old, found = node_hash(other, found_old), node_hash(other, found)
            while not position & 1 and position:
                position, last = position >> 1, last >> 1
        else:
            found = node_hash(found, other)
        position, last = position >> 1, last >> 1
    return last == 0 and found_old == old_root and found == root


class Paths:
    """Inclusion proofs of many entries under many checkpoints, which share most of their nodes.

    Args:
        leaves: hashes of the entries; the trees are over the first ``size`` of them.
    """

    __slots__ = ("_leaves", "_number", "_roots", "nodes")

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self._leaves = leaves
        self._roots: dict[tuple[int, int], bytes] = {}
        self._number: dict[tuple[int, int], int] = {}
        self.nodes: list[bytes] = []  # each hash that a proof asked for, once

    def proof(self, index: int, size: int) -> list[int]:
        """Give what ``inclusion_proof(leaves[:size], index)`` gives, as places in ``nodes``."""
        if not 0 <= index < size <= len(self._leaves):
            raise ValueError(f"expected an index below {size} and a size up to {len(self._leaves)}, got index {index}")
        begin, end, path = 0, size, list[int]()
        while end - begin > 1:
            middle = begin + _split(end - begin)
            if index < middle:
                path.append(self._place(middle, end))
                end = middle
            else:
                path.append(self._place(begin, middle))
                begin = middle
        return path[::-1]

    def _place(self, begin: int, end: int) -> int:
        if (begin, end) not in self._number:
            self._number[begin, end] = len(self.nodes)
            self.nodes.append(self._root(begin, end))
        return self._number[begin, end]

    def _root(self, begin: int, end: int) -> bytes:
        if end - begin == 1:
            return self._leaves[begin]
        if (begin, end) not in self._roots:
            middle = begin + _split(end - begin)
            self._roots[begin, end] = node_hash(self._root(begin, middle), self._root(middle, end))
        return self._roots[begin, end]
