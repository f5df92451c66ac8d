"""Training by gradient through the model: play whole episodes in the twin, differentiate their cost, step by Adam.

There is no critic and no advantage. The net chooses from forecasts and views only; future bids and stays serve the
playing. A run is a folder like those of PPO; it ends by updates, so the same seed gives the same weights on the same
machine, and one that was interrupted goes on bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gridbazaar.agents.learned.ahead import Ahead
from gridbazaar.agents.learned.columns import PUBLIC, columns, own_names
from gridbazaar.agents.learned.network import SHAPES, respond
from gridbazaar.agents.learned.policy import Policy, flags_of
from gridbazaar.agents.plan import View
from gridbazaar.agents.policies.trained import BEST, CONFIG, MODEL, read_manifest
from gridbazaar.data.bounds import CountFromOne, NotNegative, OneOf, Positive, Share, Within
from gridbazaar.data.tables import check_table, read_table
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.files import check_folder, new_folder, versions, write_json
from gridbazaar.experiments.span import span_of
from gridbazaar.experiments.training.checkpoint import Checkpoint, read_checkpoint, write_checkpoint, write_weights
from gridbazaar.experiments.training.gradient.episodes import draw
from gridbazaar.experiments.training.gradient.twin import Twin, refuse_uncovered
from gridbazaar.experiments.training.train import Validation, read_scenario

Weights = dict[str, Tensor]
Arrays = dict[str, NDArray[Any]]
Report = Callable[[int, int, dict[str, float]], None]

_RAW, _FIRST, _SECOND = "raw", "first", "second"
"""In a checkpoint beside the averaged weights: the weights that learn, and Adam's moments of them."""
_EPISODES_A_SEED = 1_000_003


@dataclass(frozen=True, slots=True)
class GradientConfig:
    """What a run is; written beside its numbers."""

    scenario: str = "village"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    algo: Annotated[str, OneOf("gradient")] = "gradient"
    updates: Annotated[int, Within(1, 10**7)] = 450
    seed: Annotated[int, Within(0, 2**32 - 1)] = 0
    n_envs: Annotated[int, Within(1, 100_000)] = 32
    learning_rate: Positive = 8e-3  # falls to ``last_rate`` of itself along a cosine
    last_rate: Share = 0.02
    warm_up: CountFromOne = 10  # updates
    average: Annotated[float, Within(0.0, 1.0, is_open_above=True)] = 0.97  # of weights, what an update leaves
    most_norm: Positive = 1.0  # of the gradient
    power_noise: NotNegative = 0.1  # added to the power's tanh; falls to 0
    eager_noise: NotNegative = 0.5  # scale of the logistic noise on the choice to be eager; falls to 0
    validate_updates: CountFromOne = 50
    checkpoint_updates: CountFromOne = 25
    validate_seeds: Annotated[int, Within(0, 100_000)] = 16
    threads: Annotated[int, Within(1, 1024)] = 1

    def __post_init__(self) -> None:
        check_table(self, "")


def train_gradient(
    config: GradientConfig, out: str | Path, *, force: bool = False, resume: bool = False, report: Report | None = None
) -> Path:
    """Train a policy and write the run into a folder.

    Args:
        config: the run; with ``resume`` the one in the folder counts.
        out: folder of the run; it must not exist, or ``force`` or ``resume`` must be given.
        force: replace an existing folder.
        resume: go on from the last checkpoint in the folder, in the scenario that stands there.
        report: called after every update with (agent-steps done, agent-steps in all, the latest figures).

    Returns:
        The folder: weights at the end and the best on validation, checkpoint with the learning curve, configuration.

    Raises:
        ValueError: the twin does not cover the scenario; the text names what it does not.
    """
    folder = Path(out)
    if resume:
        config, scenario = read_gradient_config(folder), read_scenario(folder)
    else:
        check_folder(folder, force=force)
        scenario = load_scenario(config.scenario, **config.overrides)
    refuse_uncovered(scenario)
    torch.set_num_threads(config.threads)
    if not resume:
        new_folder(folder, force=force)
        write_json(folder / CONFIG, _manifest(config, scenario))
    _Run(config, scenario, folder, read_checkpoint(folder) if resume else None, report).go()
    return folder


def read_gradient_config(folder: str | Path) -> GradientConfig:
    """Read how a run was started.

    Raises:
        ValueError: it is no run of this kind, or of another version.
    """
    path = Path(folder) / CONFIG
    values = read_manifest(Path(folder))["train"]
    if unknown := sorted(set(values) - {f.name for f in fields(GradientConfig)}):
        raise ValueError(f"{path}: unknown field {', '.join(unknown)}; expected a run of --algo gradient")
    return read_table(GradientConfig, values, "train")


def _manifest(config: GradientConfig, scenario: Scenario) -> dict[str, Any]:
    return {
        "schema": 1,
        "train": asdict(config),
        "scenario": asdict(scenario),
        "span": asdict(span_of(scenario)),
        "features": [*PUBLIC, *own_names(tuple(scenario.agents))],
        "kinds": list(scenario.agents),
        "actions": {name: [c.name for c in kind.actions(of)] for name, kind, of in scenario.named_kinds},
        "versions": versions(),
    }


def first_weights(n_own: int, seed: int) -> Weights:
    """Draw the weights that a run begins with; those of the heads are a tenth, biases 0."""
    generator = torch.Generator().manual_seed(seed)
    weights = {}
    for name, shape in SHAPES.items():
        size = tuple(n_own if n < 0 else n for n in shape)
        x = torch.zeros(size)
        if len(size) > 1:
            x = torch.randn(size, generator=generator) / math.sqrt(size[0])
        weights[name] = x * (0.1 if name in ("rest", "cars") else 1.0)
    return weights


class Chooser:
    """The net in the twin: chooses power and eagerness, with noise while it learns.

    Args:
        core: of the scenario.
        weights: of the net.
        config: for the scale of the noise.
        noise: [2, n_steps, n_envs, n_agents] normal and logistic, times what is left of both; none: none.
    """

    def __init__(self, core: Core, weights: Mapping[str, Tensor], noise: Tensor | None = None) -> None:
        slices = core.scenario.kind_slices
        self.flags = torch.from_numpy(flags_of(slices, tuple(slices)))
        self.is_car = torch.zeros((core.n_agents, 1), dtype=torch.bool)
        self.is_car[slices.get("ev", slice(0, 0))] = True
        self.weights, self.noise, self.step_h = weights, noise, core.scenario.step_h

    def __call__(self, i: int, ahead: Ahead, view: View) -> tuple[Tensor, Tensor]:
        public, own = columns(ahead, view, self.flags, self.step_h)
        answer = respond(self.weights, public.float(), own.float(), self.is_car).double()
        power, lean = torch.tanh(answer[..., 0]), answer[..., 1]
        if self.noise is not None:
            power = (power + self.noise[0, i]).clamp(-1.0, 1.0)
            lean = lean + self.noise[1, i]
        soft = torch.sigmoid(lean)
        hard = (lean > 0).double()
        return power, soft + (hard - soft).detach()


class _Run:
    """A run between its beginning, or a checkpoint, and its end."""

    def __init__(
        self, config: GradientConfig, scenario: Scenario, folder: Path, last: Checkpoint | None, report: Report | None
    ) -> None:
        self.config, self.scenario, self.folder, self.report = config, scenario, folder, report
        self.core = Core(scenario, config.n_envs)
        self.twin = Twin(self.core)
        self.per_update = config.n_envs * self.core.n_agents * self.core.n_steps
        self.kinds = tuple(scenario.agents)
        self.validation: Validation | None = None
        fresh = first_weights(len(own_names(self.kinds)), config.seed)
        self.mean = {n: x.clone() for n, x in fresh.items()} if last is None else _tensors(last.weights)
        of = {name: fresh if name == _RAW else {n: torch.zeros_like(x) for n, x in fresh.items()} for name in _PARTS}
        if last is not None:
            of = {part: _tensors({n: last.moments[f"{part}/{n}"] for n in SHAPES}) for part in _PARTS}
        self.weights, self.first, self.second = (of[part] for part in _PARTS)
        self.done = 0 if last is None else last.steps // self.per_update
        self.curve: list[dict[str, float]] = [] if last is None else list(last.curve)
        self.best: Arrays = {} if last is None else last.best
        self.begun_s = time.monotonic() - (0.0 if last is None else last.seconds)

    def go(self) -> None:
        config = self.config
        while self.done < config.updates:
            cost = self._update()
            self.done += 1
            if self.done % config.validate_updates == 0 or self.done == config.updates:
                self._validate()
            if self.done % config.checkpoint_updates == 0 or self.done == config.updates:
                self._save()
            if self.report is not None:
                latest = self.curve[-1] if self.curve else {}
                progress = self.done / config.updates
                figures = latest | {"cost": cost, "progress": progress}
                self.report(self.done * self.per_update, config.updates * self.per_update, figures)
        if self.best:
            write_weights(self.folder, BEST, self.best, self._best_steps())
        write_weights(self.folder, MODEL, _arrays(self.mean), self.done * self.per_update)

    def _update(self) -> float:
        """Play, differentiate, step."""
        config, n = self.config, self.done
        begin = config.seed * _EPISODES_A_SEED + n * config.n_envs
        episodes = draw(self.core, begin + np.arange(config.n_envs), "train")
        for x in self.weights.values():
            x.requires_grad_(True)
        mean_cur = self.twin.play(episodes, Chooser(self.core, self.weights, self._noise())).mean()
        names = list(self.weights)
        gradients = torch.autograd.grad(mean_cur, [self.weights[name] for name in names])
        norm = torch.sqrt(sum((g.double() ** 2).sum() for g in gradients))  # type: ignore[arg-type]
        scale = float(torch.clamp(config.most_norm / (norm + 1e-9), max=1.0))
        with torch.no_grad():
            self._step({name: g * scale for name, g in zip(names, gradients, strict=True)})
        return float(mean_cur.detach())

    def _step(self, gradients: Weights) -> None:
        """Step by Adam (Kingma & Ba 2015), and let the averaged weights follow."""
        config, n = self.config, self.done + 1
        fall = 0.5 * (1 + math.cos(math.pi * self.done / config.updates))
        rate = config.learning_rate * (config.last_rate + (1 - config.last_rate) * fall)
        rate *= min(1.0, n / config.warm_up)
        kept = min(config.average, n / (n + 10))  # so that the first weights are soon forgotten
        for name, gradient in gradients.items():
            self.first[name] = 0.9 * self.first[name] + 0.1 * gradient
            self.second[name] = 0.999 * self.second[name] + 0.001 * gradient**2
            first, second = self.first[name] / (1 - 0.9**n), self.second[name] / (1 - 0.999**n)
            self.weights[name] = self.weights[name].detach() - rate * first / (second.sqrt() + 1e-5)
            self.mean[name] = kept * self.mean[name] + (1 - kept) * self.weights[name]

    def _noise(self) -> Tensor:
        """Drawn by seed and update alone."""
        config = self.config
        rng = np.random.default_rng(np.random.SeedSequence([config.seed, self.done]))
        shape, left = (self.core.n_steps, config.n_envs, self.core.n_agents), 1 - self.done / config.updates
        noise = np.stack(
            [config.power_noise * rng.standard_normal(shape), config.eager_noise * rng.logistic(size=shape)]
        )
        return torch.from_numpy(noise * left)

    def _validate(self) -> None:
        """Score the averaged weights on validation episodes, as ``evaluate`` counts; keep the best."""
        if not self.config.validate_seeds:
            return
        if self.validation is None:
            self.validation = Validation(self.scenario, self.config.validate_seeds)
        weights = _arrays(self.mean)
        score = self.validation.score(Policy(weights, self.kinds))
        if not self.best or score > max(point["score"] for point in self.curve):
            self.best = weights
        seconds = time.monotonic() - self.begun_s
        self.curve.append({"steps": self.done * self.per_update, "seconds": seconds, "score": score})

    def _best_steps(self) -> int:
        return int(max(self.curve, key=lambda point: point["score"])["steps"])

    def _save(self) -> None:
        of = dict(zip(_PARTS, (self.weights, self.first, self.second), strict=True))
        write_checkpoint(
            self.folder,
            Checkpoint(
                steps=self.done * self.per_update, episodes=self.done * self.config.n_envs,
                seconds=time.monotonic() - self.begun_s, curve=self.curve, weights=_arrays(self.mean),
                moments={f"{part}/{n}": x for part, weights in of.items() for n, x in _arrays(weights).items()},
                rate=self.config.learning_rate, best=self.best,
            ),
        )  # fmt: skip
        if self.best:
            write_weights(self.folder, BEST, self.best, self._best_steps())


_PARTS = (_RAW, _FIRST, _SECOND)


def _arrays(weights: Mapping[str, Tensor]) -> Arrays:
    return {name: x.detach().numpy().copy() for name, x in weights.items()}


def _tensors(arrays: Mapping[str, NDArray[Any]]) -> Weights:
    return {name: torch.from_numpy(np.array(x)) for name, x in arrays.items()}
