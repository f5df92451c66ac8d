"""Chance: every draw is keyed by (episode, stream, index), none depends on how many others are made.

Series banks are made from ``numpy`` generators seeded by ``SeedSequence([master, stream, series])``. What an episode
draws at its reset comes from ``uniform``, a counter-based generator over arrays of episode keys: row *i* of a
batch gets the same numbers as a batch of one with that seed, and one more agent shifts nobody's numbers.
"""

from __future__ import annotations

import zlib

import numpy as np
from numpy.typing import NDArray

SPLITS = ("train", "validation", "test")

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def bank_rng(master: int, stream: str, series: int = 0) -> np.random.Generator:
    """Give the generator of one banked series."""
    return np.random.default_rng(np.random.SeedSequence([master, zlib.crc32(stream.encode()), series]))


def episode_keys(master: int, split: str, episodes: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Give the key of each episode.

    Args:
        master: the scenario's seed.
        split: train, validation or test; the same episode number is another episode in each.
        episodes: [n_envs] non-negative episode numbers (what users call the seed).

    Returns:
        [n_envs] uint64.
    """
    if split not in SPLITS:
        raise ValueError(f"split: expected one of {', '.join(SPLITS)}, got {split!r}")
    code = SPLITS.index(split)
    seeds = (np.random.SeedSequence([master, code, int(e)]) for e in episodes)
    return np.array([s.generate_state(1, np.uint64)[0] for s in seeds], np.uint64)


def community_keys(seed: int) -> NDArray[np.uint64]:
    """[1] key of what is drawn once for all episodes."""
    drawn = np.random.SeedSequence([seed, zlib.crc32(b"community")]).generate_state(1, np.uint64)
    return drawn.astype(np.uint64)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """The finaliser of splitmix64 (Steele, Lea & Flood 2014)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def uniform(keys: NDArray[np.uint64], stream: str, n: int) -> NDArray[np.float64]:
    """Draw numbers in [0, 1) for each episode from a named stream.

    Args:
        keys: [n_envs] from ``episode_keys``.
        stream: name of the stream; other names give independent numbers.
        n: how many; number *i* does not depend on ``n``.

    Returns:
        [n_envs, n] float64.
    """
    with np.errstate(over="ignore"):
        base = _mix(keys ^ _mix(np.full(1, zlib.crc32(stream.encode()), np.uint64) * _GOLDEN))
        counters = (np.arange(1, n + 1, dtype=np.uint64)) * _GOLDEN
        bits = _mix(base[:, None] + counters[None, :])
    drawn: NDArray[np.float64] = (bits >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return drawn


def between(unit: NDArray[np.float64], low: float, high: float) -> NDArray[np.float64]:
    """Stretch numbers in [0, 1) over [low, high)."""
    return low + (high - low) * unit


def integers(unit: NDArray[np.float64], n: int) -> NDArray[np.int64]:
    """Turn numbers in [0, 1) into whole numbers in [0, n)."""
    return np.minimum((unit * n).astype(np.int64), n - 1)
