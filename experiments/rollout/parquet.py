"""Rollouts in Parquet: a row a transition, that is an episode, a step and an agent; needs pyarrow."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa  # pyright: ignore[reportMissingImports] - an extra
import pyarrow.parquet as pq  # pyright: ignore[reportMissingImports] - an extra
from numpy.typing import NDArray

from gridbazaar.experiments.rollout.rollout import Origin, Rollout, origin_of

_META = b"gridbazaar"
_PLAIN = (
    "terminations", "truncations", "clipped", "bill_cur", "net_kwh", "traded_kwh", "price_cur_per_kwh",
)  # fmt: skip
_NAMES = {"terminations": "termination", "truncations": "truncation", "rewards": "reward"}


def write(parts: Iterable[Rollout], path: Path) -> None:
    """Write a file, a group of rows for each part."""
    writer: Any = None
    try:
        for part in parts:
            table = _table(part)
            if writer is None:
                schema = table.schema.with_metadata({_META: part.origin.to_json().encode()})
                writer = pq.ParquetWriter(path, schema, compression="zstd")
            writer.write_table(table.cast(writer.schema))
    finally:
        if writer is not None:
            writer.close()


def _table(part: Rollout) -> Any:
    n_episodes, n_steps, n_agents = part.rewards.shape
    o, n = part.origin, part.rewards.size
    columns: dict[str, Any] = {
        "episode": np.repeat(part.episodes, n_steps * n_agents),
        "step": np.tile(np.repeat(np.arange(n_steps, dtype=np.int32), n_agents), n_episodes),
        "agent": _words(o.agents, n),
        "kind": _words(o.kinds, n),
        "observation": _lists(part.observations[:, :-1]),
        "action": _lists(part.actions),
        "reward": part.rewards.reshape(-1),
        "next_observation": _lists(part.observations[:, 1:]),
        "active": part.active[:, :-1].reshape(-1),
        "next_active": part.active[:, 1:].reshape(-1),
        "executed": _lists(part.executed),
    }
    columns |= {_NAMES.get(name, name): getattr(part, name).reshape(-1) for name in _PLAIN}
    columns |= {f"cost.{name}": part.costs[..., i].reshape(-1) for i, name in enumerate(o.costs)}
    columns |= {f"reward_part.{name}": part.reward_parts[..., i].reshape(-1) for i, name in enumerate(o.parts)}
    return pa.table(columns)


def _lists(values: NDArray[Any]) -> Any:
    rows = np.ascontiguousarray(values.reshape(-1, values.shape[-1]))
    return pa.FixedSizeListArray.from_arrays(pa.array(rows.reshape(-1)), rows.shape[1])


def _words(names: tuple[str, ...], n: int) -> Any:
    """One word an agent, over and over, as numbers of words."""
    known = sorted(set(names))
    numbers = np.array([known.index(name) for name in names], np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(np.tile(numbers, n // len(names))), pa.array(known))


def read(path: Path) -> Rollout:
    """Read a file; its rows may stand in any order.

    Raises:
        ValueError: it holds no rollout, or not all transitions of one.
    """
    try:
        table = pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path}: expected a file of Parquet, {error}") from error
    meta = (table.schema.metadata or {}).get(_META)
    if meta is None:
        raise ValueError(f"{path}: expected a rollout, the file does not say where it comes from")
    try:
        return _rollout(table, origin_of(meta.decode()))
    except (ValueError, KeyError) as error:
        raise ValueError(f"{path}: {error}") from error


def _rollout(table: Any, o: Origin) -> Rollout:
    expected = {
        "episode", "step", "agent", "kind", "observation", "action", "reward", "next_observation", "active",
        "next_active", "executed", *(_NAMES.get(n, n) for n in _PLAIN), *(f"cost.{n}" for n in o.costs),
        *(f"reward_part.{n}" for n in o.parts),
    }  # fmt: skip
    if missing := sorted(expected ^ set(table.column_names)):
        raise ValueError(f"expected a rollout; missing or unknown columns: {', '.join(missing)}")
    order, episodes, shape = _order(table, o)

    def values(name: str) -> NDArray[Any]:
        column = table[name].combine_chunks()
        if pa.types.is_fixed_size_list(column.type):
            flat = column.flatten().to_numpy(zero_copy_only=False)
            return np.asarray(flat.reshape(-1, column.type.list_size)[order].reshape(*shape, -1))
        return np.asarray(column.to_numpy(zero_copy_only=False)[order].reshape(shape))

    def both(name: str) -> NDArray[Any]:
        """What was seen at every step and, once more, after the last one."""
        now, after = values(name), values(f"next_{name}")
        if not np.array_equal(now[:, 1:], after[:, :-1]):
            raise ValueError(f"next_{name} is not the {name} of the next step")
        return np.concatenate([now, after[:, -1:]], axis=1)

    return Rollout(
        origin=o,
        episodes=episodes,
        observations=both("observation"),
        active=both("active"),
        actions=values("action"),
        rewards=values("reward"),
        executed=values("executed"),
        costs=np.stack([values(f"cost.{name}") for name in o.costs], axis=-1),
        reward_parts=np.stack([values(f"reward_part.{name}") for name in o.parts], axis=-1),
        **{name: values(_NAMES.get(name, name)) for name in _PLAIN},
    )


def _order(table: Any, o: Origin) -> tuple[NDArray[np.int64], NDArray[np.int64], tuple[int, int, int]]:
    """Where in the file each transition stands, by episode, step and agent."""
    episode, step = (table[name].to_numpy() for name in ("episode", "step"))
    named = table["agent"].cast(pa.string()).to_numpy(zero_copy_only=False)
    known = {name: i for i, name in enumerate(o.agents)}
    if unknown := sorted(set(named) - set(known)):
        raise ValueError(f"agent: unknown {', '.join(unknown[:5])}")
    agent = np.array([known[name] for name in named], np.int64)
    _, first = np.unique(episode, return_index=True)
    episodes = np.asarray(episode[np.sort(first)], np.int64)  # in the order in which they stand there
    rank = {int(number): i for i, number in enumerate(episodes)}
    row = np.array([rank[int(number)] for number in episode], np.int64)
    n_steps = int(step.max()) + 1 if len(step) else 0
    shape = (len(episodes), n_steps, len(o.agents))
    place = (row * n_steps + step) * len(o.agents) + agent
    if len(place) != np.prod(shape) or len(np.unique(place)) != len(place) or not len(place):
        raise ValueError(f"expected every step of every agent once, {np.prod(shape)} rows; got {len(place)}")
    return np.argsort(place), episodes, shape
