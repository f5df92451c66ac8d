"""Rollouts as a dataset of Minari: an episode of its own for each agent of each episode; needs minari and h5py.

What Minari calls an episode is what one agent did; its infos say which agent of which episode. They have one more step
than the actions, as Minari's collector has them: first those of the reset, when nothing has happened yet.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium.spaces import Box
from minari import MinariDataset  # pyright: ignore[reportMissingImports] - an extra
from minari.data_collector.episode_buffer import EpisodeBuffer  # pyright: ignore[reportMissingImports] - an extra
from minari.dataset.minari_storage import MinariStorage  # pyright: ignore[reportMissingImports] - an extra
from numpy.typing import NDArray

from gridbazaar.envs.observe import feature_columns
from gridbazaar.envs.scenarios import scenario_of
from gridbazaar.experiments.rollout.rollout import Origin, Rollout, origin_of

DATA = "data"
_META = "gridbazaar"
_INFOS = ("executed", "clipped", "bill_cur", "net_kwh", "traded_kwh", "price_cur_per_kwh")


def write(parts: Iterable[Rollout], folder: Path) -> None:
    """Write a dataset into a folder; ``MinariDataset(folder / "data")`` opens it."""
    storage: Any = None
    for part in parts:
        if storage is None:
            storage = _storage(part.origin, folder)
        storage.update_episodes(_buffers(part))


def _storage(o: Origin, folder: Path) -> Any:
    columns = feature_columns(scenario_of(o.scenario, allow_code=True))
    low, high = (np.array([getattr(c, end) for c in columns], np.float32) for end in ("low", "high"))
    width = max(map(len, o.actions.values()))
    (folder / DATA).mkdir()
    storage = MinariStorage.new(
        folder / DATA, Box(low, high, dtype=np.float32), Box(-1.0, 1.0, (width,), np.float32), data_format="hdf5",
        jpeg_encoding=False,
    )  # fmt: skip
    plain = [re.sub(r"[^A-Za-z0-9_]+", "_", str(text)) for text in (o.scenario["name"], o.policy)]
    title = f"{o.policy} in {o.scenario['name']}, {o.split} episodes"
    from importlib.metadata import version

    storage.update_metadata(
        {
            "dataset_id": f"gridbazaar/{'-'.join(plain)}-v0", "algorithm_name": o.policy, "description": title,
            "minari_version": version("minari"), _META: o.to_json(),
        }
    )  # fmt: skip
    return storage


def _buffers(part: Rollout) -> Iterator[Any]:
    o = part.origin
    for row, number in enumerate(part.episodes.tolist()):
        for agent, name in enumerate(o.agents):
            infos: dict[str, Any] = {n: _begun(getattr(part, n)[row, :, agent]) for n in _INFOS}
            infos["active"] = part.active[row, :, agent]
            infos["costs"] = {n: _begun(part.costs[row, :, agent, i]) for i, n in enumerate(o.costs)}
            infos["cost"] = _begun(part.costs[row, :, agent].sum(axis=-1))
            infos["reward_parts"] = {n: _begun(part.reward_parts[row, :, agent, i]) for i, n in enumerate(o.parts)}
            yield EpisodeBuffer(
                seed=number,
                options={"agent": name, "kind": o.kinds[agent], "episode": number},
                observations=part.observations[row, :, agent],
                actions=part.actions[row, :, agent],
                rewards=part.rewards[row, :, agent],
                terminations=part.terminations[row, :, agent],
                truncations=part.truncations[row, :, agent],
                infos=infos,
            )


def _begun(values: NDArray[Any]) -> NDArray[Any]:
    """Put the nothing of a reset before what happened."""
    return np.concatenate([np.zeros_like(values[:1]), values])


def read(folder: Path) -> Rollout:
    """Read a dataset that ``write`` made.

    Raises:
        ValueError: it is none.
    """
    if not (folder / DATA / "metadata.json").is_file():
        raise ValueError(f"{folder}: expected a rollout as a dataset of Minari, found no {DATA}/metadata.json")
    dataset = MinariDataset(folder / DATA)
    meta = dataset.storage.metadata.get(_META)
    if meta is None:
        raise ValueError(f"{folder}: expected a rollout, the dataset does not say where it comes from")
    o = origin_of(meta)
    n_agents, episodes = len(o.agents), list(dataset.iterate_episodes())
    if not episodes or len(episodes) % n_agents:
        raise ValueError(f"{folder}: expected one episode an agent, a multiple of {n_agents}; got {len(episodes)}")
    numbers = [e["seed"] for e in dataset.storage.get_episode_metadata(range(0, len(episodes), n_agents))]

    def stacked(of: Any) -> NDArray[Any]:
        values = np.stack([of(episode) for episode in episodes])
        return np.ascontiguousarray(np.swapaxes(values.reshape(-1, n_agents, *values.shape[1:]), 1, 2))

    def named(name: str, names: tuple[str, ...]) -> NDArray[Any]:
        return np.stack([stacked(lambda e, n=n: e.infos[name][n][1:]) for n in names], axis=-1)

    return Rollout(
        origin=o,
        episodes=np.array(numbers, np.int64),
        observations=stacked(lambda e: e.observations),
        active=stacked(lambda e: e.infos["active"]),
        actions=stacked(lambda e: e.actions),
        rewards=stacked(lambda e: e.rewards),
        terminations=stacked(lambda e: e.terminations),
        truncations=stacked(lambda e: e.truncations),
        costs=named("costs", o.costs),
        reward_parts=named("reward_parts", o.parts),
        **{name: stacked(lambda e, name=name: e.infos[name][1:]) for name in _INFOS},
    )
