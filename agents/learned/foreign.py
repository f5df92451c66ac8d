"""Models of other libraries: what stable-baselines3, sb3-contrib, torch or ONNX wrote, played as a policy.

A model sees a row an agent and gives an action a row. Beside its file ``model.zip`` may lie ``model.columns.json``: the
names of the columns that it was trained on, by which it finds them in any scenario that has them. Without it a model
must have as many inputs as there are columns here.

To read a model of stable-baselines3 or torch is to run what is in it, so it is done only if the caller says so. An ONNX
file is data.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.policy import Community, Foresight, Observation
from gridbazaar.data.arrays import Array
from gridbazaar.data.inputs import check_input, read_json

SUFFIXES = (".zip", ".pt", ".pt2", ".onnx")
"""Of stable-baselines3 and sb3-contrib, TorchScript, ``torch.export``, ONNX."""
NAMES = ("model.zip", "best_model.zip", "model.pt2", "model.pt", "model.onnx")
"""What a folder of theirs may hold, the first that is there."""
_COLUMNS = ".columns.json"
_LIBRARIES = ("torch", "stable_baselines3", "sb3_contrib", "onnxruntime")

Rows = NDArray[Any]
Predict = Callable[[Rows, Any], tuple[Rows, Any]]
"""Of rows [n, n_features] and what was remembered, none at first: what the model gives, and what to remember."""


@dataclass(frozen=True, slots=True)
class Columns:
    """What a model was trained on, by name."""

    features: tuple[str, ...]
    choices: tuple[tuple[float, ...], ...] | None = None  # what each number means that a model chooses

    def __post_init__(self) -> None:
        if not self.features or len(set(self.features)) < len(self.features):
            raise ValueError("features: expected different names")


def write_columns(path: str | Path, columns: Columns) -> Path:
    """Write, beside the file of a model, what it was trained on."""
    beside = _beside(Path(path))
    held = {"features": list(columns.features), "choices": columns.choices}
    beside.write_text(json.dumps(held) + "\n", encoding="utf-8")
    return beside


def read_columns(path: Path) -> Columns | None:
    """Read what lies beside a model; none: nothing does.

    Raises:
        ValueError: it is not what ``write_columns`` writes.
    """
    beside = _beside(path)
    if not beside.is_file():
        return None
    held = read_json(beside)
    features, choices = held.get("features"), held.get("choices")
    if not isinstance(features, list) or not all(isinstance(name, str) for name in features):
        raise ValueError(f"{beside}: features: expected names, got {str(features)[:80]}")
    try:
        grid = None if choices is None else tuple(tuple(float(x) for x in row) for row in choices)
        return Columns(tuple(features), grid)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{beside}: {error}") from error


def _beside(path: Path) -> Path:
    return path.with_name(path.stem + _COLUMNS)


def load_foreign(path: Path, *, allow_code: bool = False) -> Policy:
    """Read the model of another library.

    Raises:
        ValueError: it is none, or needs ``allow_code``.
    """
    check_input(path)
    if path.suffix != ".onnx" and not allow_code:
        raise ValueError(
            f"{path} was saved with {'torch' if path.suffix.startswith('.pt') else 'stable-baselines3'} by somebody "
            "else: to read it is to unpickle it, which runs whatever code is in it; give --allow-code "
            "(allow_code=True) if you trust where it comes from"
        )
    read = {".zip": _stable_baselines, ".pt": _torch_script, ".pt2": _exported, ".onnx": _onnx}[path.suffix]
    columns = read_columns(path)
    try:
        predict, n_features = read(path)
    except Exception as error:  # whatever the code in it raises
        if isinstance(error, ModuleNotFoundError) and error.name in _LIBRARIES:
            raise
        what = {".zip": "a model of stable-baselines3 or sb3-contrib", ".onnx": "a model in ONNX"}
        said = str(error).strip().splitlines()
        raise ValueError(
            f"{path}: expected {what.get(path.suffix, 'a model of torch')}, {type(error).__name__}: "
            f"{said[0][:200] if said else ''}"
        ) from error
    return Policy(predict, path, columns, n_features)


def algorithm_of(path: Path) -> tuple[str, str]:
    """Say which algorithm of which library saved a zip: its module and its class, by what it says of its policy."""
    with zipfile.ZipFile(path) as packed:
        data = json.loads(packed.read("data"))
    module = str(data["policy_class"].get("__module__", ""))
    for start, found in _BY_POLICY.items():
        if module.startswith(start):
            return found
    if "cg_max_steps" in data:
        return "sb3_contrib", "TRPO"
    return "stable_baselines3", "PPO" if "clip_range" in data else "A2C"


_BY_POLICY = {
    "sb3_contrib.common.recurrent": ("sb3_contrib", "RecurrentPPO"),
    "sb3_contrib.common.maskable": ("sb3_contrib", "MaskablePPO"),
    "sb3_contrib.tqc": ("sb3_contrib", "TQC"),
    "sb3_contrib.qrdqn": ("sb3_contrib", "QRDQN"),
    "sb3_contrib.crossq": ("sb3_contrib", "CrossQ"),
    "sb3_contrib.ars": ("sb3_contrib", "ARS"),
    "stable_baselines3.sac": ("stable_baselines3", "SAC"),
    "stable_baselines3.td3": ("stable_baselines3", "TD3"),
    "stable_baselines3.dqn": ("stable_baselines3", "DQN"),
}


def _stable_baselines(path: Path) -> tuple[Predict, int | None]:
    library, name = algorithm_of(path)
    model: Any = getattr(import_module(library), name).load(path, device="cpu")

    def predict(rows: Rows, memory: Any) -> tuple[Rows, Any]:
        begins = np.full(len(rows), memory is None)
        given, memory = model.predict(rows, state=memory, episode_start=begins, deterministic=True)
        return np.asarray(given), memory if memory is not None else ()

    return predict, int(model.observation_space.shape[0])


def _torch_script(path: Path) -> tuple[Predict, int | None]:
    import torch

    load: Any = torch.jit.load
    return _of_torch(load(path, map_location="cpu").eval()), None


def _exported(path: Path) -> tuple[Predict, int | None]:
    import torch

    return _of_torch(torch.export.load(path).module()), None


def _of_torch(module: Any) -> Predict:
    import torch

    def predict(rows: Rows, memory: Any) -> tuple[Rows, Any]:
        with torch.no_grad():
            return module(torch.as_tensor(rows)).numpy(), ()

    return predict


def _onnx(path: Path) -> tuple[Predict, int | None]:
    runtime: Any = import_module("onnxruntime")
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    if len(session.get_inputs()) != 1:
        raise ValueError(f"it has {len(session.get_inputs())} inputs, expected one, [n, n_features]")
    entry = session.get_inputs()[0]

    def predict(rows: Rows, memory: Any) -> tuple[Rows, Any]:
        return session.run(None, {entry.name: rows})[0], ()

    width = entry.shape[-1] if entry.shape else None
    return predict, width if isinstance(width, int) else None


class _Memory(NamedTuple):
    places: NDArray[np.int64] | slice  # of the model's columns among those here
    n_actions: int
    held: Any  # of the model


class Policy:
    """Plays a model of another library.

    Args:
        predict: asks the model.
        path: of its file, for messages.
        columns: that it was trained on; none: it has as many inputs as there are columns.
        n_features: inputs that it has, where it says so.
    """

    needs_forecasts = False
    needs_foresight = False

    def __init__(
        self, predict: Predict, path: Path, columns: Columns | None = None, n_features: int | None = None
    ) -> None:
        if columns is not None and n_features is not None and len(columns.features) != n_features:
            raise ValueError(
                f"{path}: the model has {n_features} inputs, {_beside(path).name} names {len(columns.features)}"
            )
        self._predict, self._path, self.columns, self._n_features = predict, path, columns, n_features

    def start(self, community: Community, rng: np.random.Generator, episode: Foresight | None = None) -> Any:
        here = list(community.features)
        if self.columns is None:
            if self._n_features not in (None, len(here)):
                raise ValueError(
                    f"{self._path}: the model has {self._n_features} inputs, here are {len(here)} columns; write down "
                    f"which it was trained on, in {_beside(self._path).name}"
                )
            return _Memory(slice(None), community.n_actions, None)
        if missing := [name for name in self.columns.features if name not in here]:
            raise ValueError(f"{self._path}: the model was trained on columns that are not here: {', '.join(missing)}")
        return _Memory(np.array([here.index(name) for name in self.columns.features]), community.n_actions, None)

    def act(self, observation: Observation, memory: Any) -> tuple[Array, Any]:
        features = np.asarray(observation.features)[..., memory.places]
        rows = np.ascontiguousarray(features.reshape(-1, features.shape[-1]), np.float32)
        given, held = self._predict(rows, memory.held)
        action = self._action(np.asarray(given), len(rows), memory.n_actions)
        return action.reshape(*observation.mask.shape, -1), memory._replace(held=held)

    def _action(self, given: Rows, n_rows: int, n_actions: int) -> Rows:
        """[n_rows, n] numbers in [-1, 1]."""
        choices = None if self.columns is None else self.columns.choices
        if given.ndim == 1 and np.issubdtype(given.dtype, np.integer):
            if choices is None or given.max() >= len(choices):
                raise ValueError(
                    f"{self._path}: the model chooses one of n; say in {_beside(self._path).name} what its numbers "
                    "mean, choices: a list of actions"
                )
            given = np.array(choices)[given]
        if given.ndim != 2 or given.shape[0] != n_rows or not 1 <= given.shape[1] <= n_actions:
            raise ValueError(
                f"{self._path}: expected actions [{n_rows}, 1 to {n_actions}] of the model, got {list(given.shape)}"
            )
        if not np.isfinite(given).all():
            raise ValueError(f"{self._path}: expected finite actions of the model, got others")
        clipped: Rows = np.clip(given.astype(np.float64), -1.0, 1.0)
        return clipped
