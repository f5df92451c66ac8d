"""Training by gradient through the model: play whole episodes in the twin, differentiate their cost, step by Adam.

There is no critic and no advantage. The net chooses from forecasts and views only; future bids and stays serve the
playing. A run is a folder like those of PPO; it ends by updates, so the same seed gives the same weights on the same
machine, and one that was interrupted goes on bit for bit.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gridbazaar.agents.learned import homes
from gridbazaar.agents.learned.columns import PUBLIC, own_names
from gridbazaar.agents.learned.policy import HOMES, Policy
from gridbazaar.agents.policies.trained import BEST, CHECKPOINT, MODEL
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.training import checkpoint as checkpoints
from gridbazaar.experiments.training.checkpoint import Checkpoint
from gridbazaar.experiments.training.folder import EPISODES_A_SEED, begin, last_of, opened
from gridbazaar.experiments.training.gradient.beginning import Weights, refuse_inside, weights_to_begin
from gridbazaar.experiments.training.gradient.chooser import Chooser, choices_of
from gridbazaar.experiments.training.gradient.config import OWN, PARTICIPATION, GradientConfig, refuse_unfit
from gridbazaar.experiments.training.gradient.episodes import Episodes, draw
from gridbazaar.experiments.training.gradient.imitate import GradientLearner
from gridbazaar.experiments.training.gradient.shares import Participation, Shares, refuse_shared_batteries
from gridbazaar.experiments.training.gradient.twin import Twin, refuse_uncovered
from gridbazaar.experiments.training.imitation import NONE, imitate, try_teacher
from gridbazaar.experiments.training.validation import Validation

Arrays = dict[str, NDArray[Any]]
Report = Callable[[int, int, dict[str, float]], None]

_MULTIPLIERS = "participation_multipliers"


def train_gradient(
    config: GradientConfig,
    out: str | Path,
    *,
    force: bool = False,
    resume: bool = False,
    allow_code: bool = False,
    report: Report | None = None,
) -> Path:
    """Train a policy and write the run into a folder.

    Args:
        config: the run; with ``resume`` the one in the folder counts.
        out: folder of the run; it must not exist, or ``force`` or ``resume`` must be given.
        force: replace an existing folder.
        resume: go on from the last checkpoint in the folder, in the scenario that stands there.
        allow_code: also load Python files that a scenario's TOML file, or the run, names.
        report: called after every update with (agent-steps done, agent-steps in all, the latest figures).

    Returns:
        The folder: weights at the end and the best on validation, checkpoint with the learning curve, configuration.

    Raises:
        ValueError: the twin does not cover the scenario; the text names what it does not.
    """
    folder, config, scenario = opened(out, config, force=force, resume=resume, allow_code=allow_code)
    refuse_uncovered(scenario)
    refuse_unfit(config, scenario)
    torch.set_num_threads(config.threads)
    if not resume:
        try_teacher(config, scenario)
        choices = choices_of(scenario)
        names = own_names(tuple(scenario.agents), choices, scenario.outage.happens)
        refuse_inside(config.begin_with, folder)
        _weights_to_begin(config, scenario, choices)  # or refuse
        own = [*PUBLIC, *names, *homes.start_names(choices)]
        more = {"choices": list(choices)} if choices else {}
        begin(folder, config, scenario, force=force, features=own, kinds=list(scenario.agents), **more)
    _Run(config, scenario, folder, last_of(folder, resume=resume), report).go()
    return folder


def agent_steps_of(config: GradientConfig) -> int:
    """Give the agent-steps of an update."""
    scenario = load_scenario(config.scenario, **config.overrides)
    return config.n_envs * len(scenario.agent_names) * scenario.n_steps


def seconds_of_update(config: GradientConfig) -> float:
    """Measure how long an update of a run takes here; nothing is written."""
    run = _Run(config, load_scenario(config.scenario, **config.overrides), Path(), None, None)
    run._update()  # the first one sets up
    begun_s = time.perf_counter()
    run._update()
    return time.perf_counter() - begun_s


def _weights_to_begin(config: GradientConfig, scenario: Scenario, choices: Sequence[str]) -> Weights:
    return weights_to_begin(
        config.begin_with, tuple(scenario.agents), config.seed, choices, keen=config.keen, to_need=config.to_need,
        has_outages=scenario.outage.happens,
    )  # fmt: skip


class _Run:
    """A run between its beginning, or a checkpoint, and its end."""

    def __init__(
        self, config: GradientConfig, scenario: Scenario, folder: Path, last: Checkpoint | None, report: Report | None
    ) -> None:
        self.config, self.scenario, self.folder, self.report = config, scenario, folder, report
        self.core = Core(scenario, config.n_envs)
        self.twin = Twin(self.core)
        self.per_update = config.n_envs * self.core.n_agents * self.core.n_steps
        self.kinds, self.choices = tuple(scenario.agents), choices_of(scenario)
        self.validation: Validation | None = None
        self.is_new = last is None
        begins = config if last is None else replace(config, begin_with="")
        fresh = _weights_to_begin(begins, scenario, self.choices)
        self.mean = {n: x.clone() for n, x in fresh.items()} if last is None else _tensors(last.weights)
        held = fresh if last is None else _tensors(last.learning)
        self.participation: Participation | None = None
        if config.objective != "community":
            refuse_shared_batteries(self.core, config.objective)
        if config.objective == PARTICIPATION:
            of_kinds = None if last is None else held.pop(_MULTIPLIERS).numpy()
            self.participation = Participation(self.core, config.margin_cur, config.multiplier_rate, of_kinds)
        if held.keys() != fresh.keys():
            raise ValueError(f"{folder / CHECKPOINT}: expected the weights of a run by gradient; start the run anew")
        self.weights = {name: held[name] for name in fresh}  # the optimiser counts them
        for x in self.weights.values():
            x.requires_grad_(True)
        self.adam = torch.optim.Adam(list(self.weights.values()), lr=config.learning_rate, eps=1e-5, foreach=False)
        if last is not None:
            checkpoints.put_moments(self.adam, last.moments, last.rate)
        self.done = 0 if last is None else last.steps // self.per_update
        self.curve: list[dict[str, float]] = [] if last is None else list(last.curve)
        self.best: Arrays = {} if last is None else last.best
        self.begun_s = time.monotonic() - (0.0 if last is None else last.seconds)

    def go(self) -> None:
        config = self.config
        if self.is_new and config.start != NONE:
            self._imitate()
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
            checkpoints.write_weights(self.folder, BEST, self.best, self._best_steps())
        checkpoints.write_weights(self.folder, MODEL, _arrays(self.mean), self.done * self.per_update)

    def _imitate(self) -> None:
        """Begin with what a teacher does; it is in the first checkpoint."""
        learner = GradientLearner(self.scenario, self.weights, self.choices, self.config.seed)
        imitate(self.config, self.scenario, self.config.seed, learner)
        self.mean = {name: x.detach().clone() for name, x in self.weights.items()}
        self._validate()
        self._save()

    def _update(self) -> float:
        """Play, differentiate, step."""
        config, n = self.config, self.done
        begin = config.seed * EPISODES_A_SEED + n * config.n_envs
        seeds = begin + np.arange(config.n_envs)
        episodes = draw(self.core, seeds, "train")
        mean_cur, lowered = self._play(seeds, episodes)
        self.adam.zero_grad()
        lowered.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.weights.values(), config.most_norm)
        fall = 0.5 * (1 + math.cos(math.pi * n / config.updates))
        rate = config.learning_rate * (config.last_rate + (1 - config.last_rate) * fall)
        for group in self.adam.param_groups:
            group["lr"] = rate * min(1.0, (n + 1) / config.warm_up)
        self.adam.step()
        kept = min(config.average, (n + 1) / (n + 11))  # so that the first weights are soon forgotten
        for name, x in self.weights.items():
            self.mean[name] = kept * self.mean[name] + (1 - kept) * x.detach()
        return float(mean_cur.detach())

    def _play(self, seeds: NDArray[np.int64], episodes: Episodes) -> tuple[Tensor, Tensor]:
        """Give the mean cost of the community, and what is to be lowered."""
        objective = self.config.objective
        learns = self._deviate() if objective == OWN else None
        chooser = Chooser(self.core, self.weights, *self._noise(), learns=learns, to_need=self.config.to_need)
        if objective == "community":
            mean_cur = self.twin.play(episodes, chooser).mean()
            return mean_cur, mean_cur
        state = self.core.reset(seeds, split="train")
        shares = Shares(self.core, state)
        mean_cur = self.twin.play(episodes, chooser, shares).mean()
        if self.participation is not None:
            return mean_cur, mean_cur + self.participation.weighed(shares, self.participation.idle_cur(seeds, state))
        assert learns is not None
        return mean_cur, (shares.cost * learns).sum(1).mean() * self.core.n_agents

    def _deviate(self) -> Tensor:
        """[n_envs, n_agents] the one in each episode whose own cost is lowered; drawn by seed and update alone."""
        rng = np.random.default_rng(np.random.SeedSequence([self.config.seed, self.done, 1]))
        drawn = rng.integers(0, self.core.n_agents, self.config.n_envs)
        return torch.from_numpy(drawn[:, None] == np.arange(self.core.n_agents))

    def _noise(self) -> tuple[Tensor, Tensor | None]:
        """Drawn by seed and update alone; that of homes' further choices after that of power and eagerness."""
        config = self.config
        rng = np.random.default_rng(np.random.SeedSequence([config.seed, self.done]))
        shape, left = (self.core.n_steps, config.n_envs, self.core.n_agents), 1 - self.done / config.updates
        noise = np.stack(
            [config.power_noise * rng.standard_normal(shape), config.eager_noise * rng.logistic(size=shape)]
        )
        if config.keen:
            noise = np.concatenate([noise, config.eager_noise * rng.logistic(size=(1, *shape))])
        if not self.choices:
            return torch.from_numpy(noise * left), None
        homes_shape = (*shape[:2], self.scenario.agents[HOMES].count, len(self.choices))
        at_home = config.power_noise * rng.standard_normal(homes_shape)
        if homes.START in self.choices:
            of_starts = config.eager_noise * rng.logistic(size=homes_shape[:3])
            at_home[..., self.choices.index(homes.START)] = of_starts
        return torch.from_numpy(noise * left), torch.from_numpy(at_home * left)

    def _validate(self) -> None:
        """Score the averaged weights on validation episodes, as ``evaluate`` counts; keep the best."""
        if not self.config.validate_seeds:
            return
        if self.validation is None:
            self.validation = Validation(self.scenario, self.config.validate_seeds)
        weights = _arrays(self.mean)
        score, worst_cur = self.validation.judge(self._policy(weights))
        seconds = time.monotonic() - self.begun_s
        point = {"steps": self.done * self.per_update, "seconds": seconds, "score": score}
        if self.participation is not None:
            point["worst_cur"] = worst_cur
        if not self.best or _rank(point) > max(map(_rank, self.curve)):
            self.best = weights
        self.curve.append(point)

    def _policy(self, weights: Arrays) -> Policy:
        has_outages = self.scenario.outage.happens
        return Policy(weights, self.kinds, choices=self.choices, to_need=self.config.to_need, has_outages=has_outages)

    def _best_steps(self) -> int:
        return int(max(self.curve, key=_rank)["steps"])

    def _learning(self) -> Arrays:
        more = {} if self.participation is None else {_MULTIPLIERS: self.participation.multipliers}
        return _arrays(self.weights) | more

    def _save(self) -> None:
        moments, rate = checkpoints.moments_of(self.adam)
        checkpoints.write_checkpoint(
            self.folder,
            Checkpoint(
                steps=self.done * self.per_update, episodes=self.done * self.config.n_envs,
                seconds=time.monotonic() - self.begun_s, curve=self.curve, weights=_arrays(self.mean),
                learning=self._learning(), moments=moments, rate=rate, best=self.best,
            ),
        )  # fmt: skip
        if self.best:
            checkpoints.write_weights(self.folder, BEST, self.best, self._best_steps())


def _rank(point: Mapping[str, float]) -> tuple[float, float]:
    """What makes a point of the curve the best: first that no kind is worse off, where that is asked for."""
    return min(point.get("worst_cur", 0.0), 0.0), point["score"]


def _arrays(weights: Mapping[str, Tensor]) -> Arrays:
    return {name: x.detach().numpy().copy() for name, x in weights.items()}


def _tensors(arrays: Mapping[str, NDArray[Any]]) -> Weights:
    return {name: torch.from_numpy(np.array(x)) for name, x in arrays.items()}
