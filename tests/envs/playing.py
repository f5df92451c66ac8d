"""What the tests of the views share: drawn actions, and equality of everything that a step gives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

SHORT: dict[str, Any] = {"hours": 3.0}
"""Street in twelve intervals; from noon, so that no car is there yet."""


def drawn_actions(n_steps: int, *shape: int, seed: int = 0) -> NDArray[np.float32]:
    """[n_steps, *shape, 2] in [-1, 1], many of them eager enough to trade."""
    return np.random.default_rng(seed).uniform(-1, 1, (n_steps, *shape, 2)).astype(np.float32)


def named(agents: list[str], action: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Actions [n_agents, 2] by agent."""
    return dict(zip(agents, action, strict=True))


def differences(a: Any, b: Any, where: str = "") -> list[str]:
    """Where two trees of dicts, sequences, arrays and numbers differ, to the last bit and in type; empty if nowhere."""
    if type(a) is not type(b):
        return [f"{where}: {type(a).__name__} and {type(b).__name__}"]
    if isinstance(a, dict):
        if list(a) != list(b):
            return [f"{where}: keys {list(a)} and {list(b)}"]
        return [d for key in a for d in differences(a[key], b[key], f"{where}.{key}")]
    if isinstance(a, list | tuple):
        if len(a) != len(b):
            return [f"{where}: lengths {len(a)} and {len(b)}"]
        return [d for i, (x, y) in enumerate(zip(a, b, strict=True)) for d in differences(x, y, f"{where}[{i}]")]
    if isinstance(a, np.ndarray) and a.dtype == object:
        return differences(a.tolist(), b.tolist(), where)
    if isinstance(a, np.ndarray):
        alike = a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
        return [] if alike else [f"{where}: {a} and {b}"]
    return [] if a == b else [f"{where}: {a} and {b}"]
