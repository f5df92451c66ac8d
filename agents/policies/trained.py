"""Trained: a policy that PPO learned, read from the folder of its run. It acts on the mean of its distribution.

Reading a run runs nothing of it: weights are arrays in an ``.npz``, all else is JSON. Runs of version 0.1 are zips of
stable-baselines3, of which only the weights are read, by torch's reader of plain tensors. What others saved with
stable-baselines3 has to be unpickled, which can run anything; that is done only if the caller says so.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.learned import foreign
from gridbazaar.agents.learned import policy as learned
from gridbazaar.agents.learned.columns import OUTAGES
from gridbazaar.agents.network import Network, network_of, networks_of
from gridbazaar.agents.policy import Community, Foresight, Observation
from gridbazaar.agents.policy import Policy as AnyPolicy
from gridbazaar.data.arrays import Array
from gridbazaar.data.inputs import MOST_BYTES, check_input, read_arrays, read_json

MODEL, CHECKPOINT, BEST = "model.npz", "checkpoint.npz", "best.npz"
"""What a run ended with, what it goes on from, and what scored best on validation."""
OLD_MODEL, OLD_CHECKPOINT, OLD_BEST = "model.zip", "checkpoint.zip", "best.zip"
"""The same of version 0.1."""
CONFIG = "config.json"
WEIGHTS = "weights/"
"""What names of a policy's weights begin with in a file of arrays."""


def model_of(name: str) -> Path | None:
    """Give the file that a run plays; none: it is no run.

    Args:
        name: the folder of a run, which plays what it ended with, or where it was interrupted its last checkpoint; or
            one of its files, such as ``runs/a/best.npz``; or a model of another library, see ``learned.foreign``.
    """
    if "\0" in name:
        return None
    path = Path(name)
    if path.suffix in (".npz", *foreign.SUFFIXES):
        return path if path.is_file() else None
    files = (MODEL, OLD_MODEL, CHECKPOINT, OLD_CHECKPOINT, *foreign.NAMES)
    return next((path / f for f in files if (path / f).is_file()), None)


def file_of_run(folder: Path, name: str) -> Path:
    """Give the path of a file in the folder of a run.

    Raises:
        ValueError: it is a link, or no file; a folder that somebody else made must not lead out of itself.
    """
    path = folder / name
    if path.is_symlink():
        raise ValueError(f"{path} is a link; expected the files of a run in its own folder")
    return check_input(path)


def read_manifest(folder: Path) -> dict[str, Any]:
    """Read the configuration of a run.

    Raises:
        ValueError: it is none, or a part of it is not what it should be.
    """
    path = file_of_run(folder, CONFIG)
    held = read_json(path)
    for name in ("train", "scenario", "versions"):
        if not isinstance(held.get(name), dict):
            raise ValueError(f"{path}: {name}: expected a table, got {str(held.get(name))[:80]}; train the run anew")
    if not _are_names(held.get("features")):
        raise ValueError(f"{path}: features: expected names, got {str(held.get('features'))[:80]}; train the run anew")
    actions = held.get("actions")
    if actions is not None and not (isinstance(actions, dict) and all(map(_are_names, actions.values()))):
        raise ValueError(f"{path}: actions: expected names by kind, got {str(actions)[:80]}; train the run anew")
    return held


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(name, str) for name in value)


@dataclass(frozen=True, slots=True)
class Trained:
    """What a run was trained on, by name."""

    features: tuple[str, ...] | None  # none: somebody else's model, which kept no names
    actions: Mapping[str, tuple[str, ...]] | None  # components by kind; None: an older run, which kept their number
    n_actions: int
    hint: str = ""  # how to have its columns here

    def check(self, community: Community) -> None:
        """Refuse a community that sees or does other things than those the run was trained on.

        Raises:
            ValueError: names what differs.
        """
        found = [] if self.features is None else _differences("features", self.features, community.features)
        if self.actions is None:
            if self.n_actions != community.n_actions:
                found.append(f"actions: trained on {self.n_actions}, here are {community.n_actions}")
        else:
            for kind in [k for k in self.actions if k in community.actions]:  # features tell of the other kinds
                found += _differences(f"actions of {kind}", self.actions[kind], community.actions[kind])
        if found:
            raise ValueError(
                f"the run was trained on other columns; {self.hint or 'train it anew'}\n  " + "\n  ".join(found)
            )


def _differences(what: str, trained: Sequence[str], here: Sequence[str]) -> list[str]:
    if list(trained) == list(here):
        return []
    lacks, new = [x for x in trained if x not in here], [x for x in here if x not in trained]
    if not lacks and not new:
        return [f"{what}: the same in another order, trained on {', '.join(trained)}; here are {', '.join(here)}"]
    only = (f"only trained on {', '.join(lacks)}" if lacks else "", f"only here {', '.join(new)}" if new else "")
    return [f"{what}: {'; '.join(part for part in only if part)}"]


def load_run(name: str, *, allow_code: bool = False) -> AnyPolicy:
    """Read the policy of a run, see ``model_of``.

    Args:
        name: the run.
        allow_code: also read what others saved with stable-baselines3, which may run code of theirs.

    Raises:
        ValueError: it is no run, is broken, or was made by others and ``allow_code`` is not given.
    """
    path = model_of(name)
    if path is None:
        raise ValueError(f"policy: expected a run, found neither {MODEL} nor {CHECKPOINT} in {name}")
    if path.suffix in foreign.SUFFIXES and not is_ours(path):
        return foreign.load_foreign(path, allow_code=allow_code)
    held = read_manifest(path.parent)
    if held["train"].get("algo") == "gradient":
        try:
            kinds, choices = (tuple(held.get(name, ())) for name in ("kinds", "choices"))
            to_need = bool(held["train"].get("to_need", False))
            has_outages = set(OUTAGES) <= set(held["features"])
            return learned.Policy(
                read_weights(path), kinds, held["features"], choices, to_need=to_need, has_outages=has_outages
            )
        except (ValueError, TypeError, AttributeError) as error:
            raise ValueError(f"{path}: expected a policy learned by gradient, {error}") from error
    weights = read_weights(path)
    try:
        by_kind = networks_of(weights)
        network = None if by_kind else network_of(weights)
    except ValueError as error:
        raise ValueError(f"{path}: expected the weights of a run, {error}") from error
    features, actions = tuple(held["features"]), held.get("actions")
    for found in by_kind.values() if network is None else (network,):
        if found.n_features != len(features):
            raise ValueError(f"{path}: the weights are of {found.n_features} features, {CONFIG} has {len(features)}")
    named = None if actions is None else {kind: tuple(names) for kind, names in actions.items()}
    how = _how_to_see_alike(held["scenario"])
    if network is None:
        return PolicyOfKinds(by_kind, Trained(features, named, 0, how))
    return Policy(network, Trained(features, named, network.n_actions, how))


def _how_to_see_alike(scenario: Mapping[str, Any]) -> str:
    """Say which settings give a scenario the columns that a run chose; empty where it chose none."""
    observed = scenario.get("observe")
    usual = {"public": True, "ahead_h": 0.0, "last": 0, "columns": []}
    if not isinstance(observed, dict) or all(observed.get(name, value) == value for name, value in usual.items()):
        return ""
    settings = " ".join(f"--set observe.{name}={json.dumps(value)}" for name, value in sorted(observed.items()))
    return f"observe what it did, {settings}, or train it anew"


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """Read the weights of a policy by name, from a file of a run of any version; nothing in it is run."""
    path = file_of_run(path.parent, path.name)
    if path.suffix == ".npz":
        arrays = read_arrays(path)[1]
        return {name.removeprefix(WEIGHTS): x for name, x in arrays.items() if name.startswith(WEIGHTS)}
    return {name: np.asarray(x) for name, x in read_tensors(path, "policy.pth").items()}


def read_tensors(path: Path, member: str) -> dict[str, Any]:
    """Read what stable-baselines3 saved of a state; anything but plain tensors and numbers is refused, not run."""
    import torch

    try:
        with zipfile.ZipFile(path) as packed:
            if packed.getinfo(member).file_size > MOST_BYTES:
                raise ValueError(f"{member} is larger than {MOST_BYTES:,} bytes")
            with packed.open(member) as held:
                found = torch.load(held, map_location="cpu", weights_only=True)
        if not isinstance(found, dict):
            raise TypeError(f"{member} holds a {type(found).__name__}, expected a table")
    except Exception as error:  # the reader of tensors raises what it likes
        raise ValueError(f"{path}: expected a model of version 0.1, {str(error).splitlines()[0][:200]}") from error
    return found


def is_ours(path: Path) -> bool:
    """Whether a zip lies in the folder of a run of version 0.1, under one of its names."""
    return path.name in (OLD_MODEL, OLD_CHECKPOINT, OLD_BEST) and (path.parent / CONFIG).is_file()


class Policy:
    """A network that plays.

    Args:
        network: gives an action a row, [n_rows, n_actions] for features [n_rows, n_features].
        trained: what it was trained on; none: what it plays.
    """

    needs_forecasts = False
    needs_foresight = False

    def __init__(self, network: Callable[[NDArray[Any]], Any], trained: Trained | None = None) -> None:
        self.network = network
        self.trained = trained

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        if self.trained is not None:
            self.trained.check(community)

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        rows = np.asarray(observation.features).reshape(-1, observation.features.shape[-1])
        action = np.clip(self.network(rows), -1.0, 1.0).astype(np.float64)
        return action.reshape(*observation.mask.shape, -1), memory


class PolicyOfKinds:
    """A network for each kind.

    Args:
        networks: by kind.
        trained: what they were trained on; none: what they play.
    """

    needs_forecasts = False
    needs_foresight = False

    def __init__(self, networks: Mapping[str, Network], trained: Trained | None = None) -> None:
        self.networks, self.trained = networks, trained

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        if self.trained is not None:
            self.trained.check(community)
        here = {kind: agents for kind, agents in community.kind_slices.items() if agents.stop > agents.start}
        if unknown := [kind for kind in here if kind not in self.networks]:
            raise ValueError(
                f"the policy was trained with {', '.join(self.networks)}, not with {', '.join(unknown)}; train it anew"
            )
        return here, community.n_actions

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        here, n_actions = memory
        features = np.asarray(observation.features)
        action = np.zeros((*observation.mask.shape, n_actions))
        for kind, agents in here.items():
            rows = features[:, agents].reshape(-1, features.shape[-1])
            given = np.clip(self.networks[kind](rows), -1.0, 1.0)
            action[:, agents, : given.shape[1]] = given.reshape(*action[:, agents].shape[:2], -1)
        return action, memory
