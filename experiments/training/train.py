"""Training: one policy for all agents of all kinds, by stable-baselines3's PPO on our VecEnv.

Defaults are those that learned best on validation days in five minutes: many updates a rollout, rewards of the own bill
shaped by the worth of stored energy, fixed scales in place of running normalisation. What is left in storage is paid
for at the end of an episode, so the value of the state after it is not bootstrapped.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np

from gridbazaar.agents.policies.trained import BEST, CHECKPOINT, CONFIG, MODEL
from gridbazaar.envs.contract import check_own_kinds
from gridbazaar.envs.episode.world import bank_of
from gridbazaar.envs.observe import feature_columns
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario, scenario_of
from gridbazaar.experiments.files import new_folder, versions, write_json
from gridbazaar.experiments.span import span_of
from gridbazaar.experiments.training.own_files import keep_files, with_kept_files

_CURVE = "curve.json"


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """What a run is; written beside its numbers."""

    scenario: str = "village"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    algo: str = "ppo"
    steps: int = 4_000_000  # agent-steps
    seed: int = 0
    n_envs: int = 32
    learning_rate: float = 2e-3  # falls linearly to ``last_rate`` of itself
    last_rate: float = 0.05
    gamma: float = 0.995
    gae_lambda: float = 0.95
    epochs: int = 4
    minibatches: int = 16
    clip: float = 0.2
    entropy: float = 0.0
    log_std: float = -0.5
    width: int = 128
    max_minutes: float | None = None  # ends the run early, and the fall of the learning rate with it
    checkpoint_rollouts: int = 20
    validate_rollouts: int = 20
    validate_seeds: int = 8
    threads: int = 1
    schedule_from: int = 0  # agent-steps from which the learning rate falls: those of the run that this one extends

    def __post_init__(self) -> None:
        if not 0 <= self.schedule_from < self.steps:
            raise ValueError(f"schedule_from: expected 0 to steps less one, got {self.schedule_from} of {self.steps}")
        if self.algo != "ppo":
            raise ValueError(f"algo: expected ppo, got {self.algo!r}")
        for name in ("steps", "n_envs", "epochs", "minibatches", "width", "checkpoint_rollouts", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected at least 1, got {getattr(self, name)}")


def train(
    config: TrainConfig,
    out: str | Path,
    *,
    force: bool = False,
    resume: bool = False,
    allow_code: bool = False,
    report: Callable[[int, int, dict[str, float]], None] | None = None,
) -> Path:
    """Train a policy and write the run into a folder.

    Args:
        config: the run; with ``resume`` the one in the folder counts.
        out: folder of the run; it must not exist, or ``force`` or ``resume`` must be given.
        force: replace an existing folder.
        resume: go on from the last checkpoint in the folder, in the scenario that stands there.
        allow_code: also load Python files that a scenario's TOML file, or the run, names.
        report: called after every rollout with (steps done, steps in all, the latest figures).

    Returns:
        The folder. It holds the model that the run ended with, the one that scored best on validation, the
        configuration with scenario, columns, versions and seeds, checkpoints, TensorBoard and CSV logs, and the
        learning curve on validation episodes.

    A run that ends by steps and was interrupted gives the same weights, bit for bit, as one that ran through, on the
    same machine and with the same versions. One that ends by the clock does not.
    """
    import torch
    from stable_baselines3.common.logger import configure

    folder = Path(out)
    if resume:
        config, scenario = read_config(folder), read_scenario(folder, allow_code=allow_code)
    else:
        scenario = load_scenario(config.scenario, allow_code=allow_code, **config.overrides)
    check_own_kinds(scenario)
    torch.set_num_threads(config.threads)
    bank_of(scenario.data, scenario.seed, scenario.step_min)  # a mistake leaves an earlier run alone
    if not resume:
        new_folder(folder, force=force)
        write_json(folder / CONFIG, _manifest(config, scenario))
        keep_files(scenario, folder)
    start = time.monotonic()
    model, curve, spent_s = _resumed(config, scenario, folder) if resume else (_model(config, scenario), [], 0.0)
    left = config.steps - model.num_timesteps
    if left <= 0:  # the run was complete
        _save(model, folder / MODEL)
        return folder
    log = folder / "log" / (f"from_{model.num_timesteps}" if resume else "")
    model.set_logger(configure(str(log), ["csv", "tensorboard"]))
    try:
        callback = _callback(config, scenario, folder, curve, start - spent_s, report)
        model.progress = callback.progress
        model.learn(left, callback=callback, reset_num_timesteps=False)
        _save(model, folder / MODEL)
        callback.validate()
        callback.save()
        callback.tell()
    finally:
        model.logger.close()
    return folder


def _manifest(run: TrainConfig, scenario: Scenario) -> dict[str, Any]:
    return {
        "schema": 1,
        "train": asdict(run),
        "scenario": asdict(scenario),
        "span": asdict(span_of(scenario)),
        "features": [c.name for c in feature_columns(scenario)],
        "actions": {name: [c.name for c in kind.actions(config)] for name, kind, config in scenario.named_kinds},
        "versions": versions(),
    }


def read_config(folder: str | Path) -> TrainConfig:
    """Read how a run was started."""
    path = Path(folder) / CONFIG
    if not path.is_file():
        raise ValueError(f"resume: expected a run in {folder}, found no {CONFIG}; start one without --resume")
    values = json.loads(path.read_text(encoding="utf-8"))["train"]
    if unknown := sorted(set(values) - {f.name for f in fields(TrainConfig)}):
        raise ValueError(f"{path}: unknown field {', '.join(unknown)}; another version made this run, train it anew")
    return TrainConfig(**values)


def read_scenario(folder: str | Path, *, allow_code: bool = False) -> Scenario:
    """Read the scenario of a run as it was when the run began, whatever its name means today.

    Args:
        folder: of the run; the copies that it keeps of files of a user's own are what is read.
        allow_code: also load the Python files among them.

    Raises:
        ValueError: this version knows no such scenario.
    """
    path = Path(folder) / CONFIG
    values = json.loads(path.read_text(encoding="utf-8"))
    try:
        return scenario_of(with_kept_files(values["scenario"], Path(folder)), allow_code=allow_code)
    except ValueError as why:
        made = values["versions"]["gridbazaar"]
        raise ValueError(
            f"{path}: this version cannot play the scenario that the run was trained in ({why}); "
            f"go on with version {made} that made it, or train anew"
        ) from why


def extend(folder: str | Path, steps: int) -> TrainConfig:
    """Let a finished run go on to so many agent-steps when it is resumed; give its new configuration.

    The learning rate begins its fall anew, so this is another run than one planned for as many steps. A limit by the
    clock is lifted.

    Raises:
        ValueError: the run is not finished, or was longer.
    """
    folder = Path(folder)
    config, done = read_config(folder), checkpoint_steps(folder)
    if done is None or not (folder / MODEL).is_file():
        raise ValueError(f"steps was {config.steps}, not {steps}, and the run is not finished; leave --steps out first")
    if steps <= done:
        raise ValueError(f"steps: expected more than the {done:,} that the run has, got {steps:,}")
    extended = replace(config, steps=steps, schedule_from=done, max_minutes=None)
    values = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
    write_json(folder / CONFIG, values | {"train": asdict(extended)})
    (folder / MODEL).unlink()  # the run is not finished any more, and its checkpoint is the same
    return extended


def read_curve(folder: str | Path) -> list[dict[str, float]]:
    """Read the learning curve of a run: steps, seconds and validation score of each point."""
    points: list[dict[str, float]] = json.loads((Path(folder) / _CURVE).read_text(encoding="utf-8"))["points"]
    return points


def checkpoint_steps(folder: str | Path) -> int | None:
    """Give the agent-steps of a run's last checkpoint; None if there is none to resume from."""
    path = Path(folder) / _CURVE
    if not (Path(folder) / CHECKPOINT).is_file() or not path.is_file():
        return None
    return int(json.loads(path.read_text(encoding="utf-8"))["steps"])


def _first_episode(config: TrainConfig) -> int:
    return config.seed * 1_000_003


def _resumed(config: TrainConfig, scenario: Scenario, folder: Path) -> tuple[Any, list[Any], float]:
    """The model of the last checkpoint, its curve, and the seconds already spent."""
    from gridbazaar.envs.views.vec_env import vec_env
    from gridbazaar.experiments.training.ppo import OLD_CLASSES, MarketPPO, without_bootstrap

    if checkpoint_steps(folder) is None:
        raise ValueError(f"resume: {folder} holds no {CHECKPOINT}; the run ended before its first one, start it anew")
    held: dict[str, Any] = json.loads((folder / _CURVE).read_text(encoding="utf-8"))
    market = vec_env(scenario, n_envs=config.n_envs)
    model = MarketPPO.load(folder / CHECKPOINT, env=without_bootstrap(market), device="cpu", custom_objects=OLD_CLASSES)
    rollouts = model.num_timesteps // (market.num_envs * scenario.n_steps)
    market.seed(_first_episode(config) + rollouts * config.n_envs)
    model.restore_generators()
    # A curve that is ahead of the checkpoint was written just before the interruption.
    return model, [p for p in held["points"] if p["steps"] <= model.num_timesteps], held["seconds"]


def _model(config: TrainConfig, scenario: Scenario) -> Any:
    """A new model."""
    from torch import nn

    from gridbazaar.envs.views.vec_env import vec_env
    from gridbazaar.experiments.training.ppo import MarketPPO, without_bootstrap

    venv = without_bootstrap(vec_env(scenario, n_envs=config.n_envs, seed=_first_episode(config)))
    rows = venv.num_envs
    return MarketPPO(
        "MlpPolicy",
        venv,
        learning_rate=config.learning_rate,
        last_rate=config.last_rate,
        minibatches=config.minibatches,
        n_steps=scenario.n_steps,
        batch_size=max(2, rows * scenario.n_steps // config.minibatches),
        n_epochs=config.epochs,
        gamma=config.gamma,
        gae_lambda=config.gae_lambda,
        clip_range=config.clip,
        ent_coef=config.entropy,
        policy_kwargs={
            "net_arch": {"pi": [config.width, config.width], "vf": [config.width, config.width]},
            "activation_fn": nn.Tanh,
            "log_std_init": config.log_std,
            "optimizer_kwargs": {"eps": 1e-5},
        },
        seed=config.seed,
        device="cpu",
    )


def _save(model: Any, path: Path) -> None:
    """Write a model so that an interruption leaves the old file or the new one, never half of one."""
    partial = path.with_suffix(".partial.zip")
    model.save(partial)
    partial.replace(path)


def _callback(
    config: TrainConfig, scenario: Scenario, folder: Path, curve: list[Any], start: float, report: Any
) -> Any:
    from stable_baselines3.common.callbacks import BaseCallback

    class Watch(BaseCallback):
        """Checkpoints, validation, progress and the time limit."""

        def __init__(self) -> None:
            super().__init__()
            self.validation: Any = None
            self.saved_steps = -1

        def progress(self) -> float:
            """Share of the run that is done, by steps or by the clock, whichever is further."""
            begun = config.schedule_from
            done: float = (self.model.num_timesteps - begun) / (config.steps - begun)
            if config.max_minutes is not None:
                done = max(done, (time.monotonic() - start) / 60 / config.max_minutes)
            return min(done, 1.0)

        def _on_training_start(self) -> None:
            if not curve:
                self.validate()
            if not (folder / CHECKPOINT).is_file():
                self.save()

        def _on_step(self) -> bool:
            return True

        def _on_rollout_start(self) -> None:
            """Between two rollouts, where all episodes begin: the only place from which a run can go on exactly."""
            rollouts = self.model.num_timesteps // (self.training_env.num_envs * scenario.n_steps)
            if rollouts and rollouts % config.validate_rollouts == 0:
                self.validate()
            if rollouts and rollouts % config.checkpoint_rollouts == 0:
                self.save()
            self.tell()

        def tell(self) -> None:
            if report is not None:
                latest = curve[-1] if curve else {}
                report(self.model.num_timesteps, config.steps, latest | {"progress": self.progress()})

        def save(self) -> None:
            if self.saved_steps == self.model.num_timesteps:
                return
            done = {"points": curve, "seconds": time.monotonic() - start, "steps": self.model.num_timesteps}
            write_json(folder / _CURVE, done)
            _save(self.model, folder / CHECKPOINT)
            self.saved_steps = self.model.num_timesteps

        def validate(self) -> None:
            """Score the model on validation episodes; keep the best one, and a checkpoint that knows of it."""
            if not config.validate_seeds or (curve and curve[-1]["steps"] == self.model.num_timesteps):
                return
            if self.validation is None:
                self.validation = _Validation(scenario, config.validate_seeds)
            score = self.validation.score(self.model)
            if not (folder / BEST).is_file() or score > max(point["score"] for point in curve):
                _save(self.model, folder / BEST)
            curve.append({"steps": self.model.num_timesteps, "seconds": time.monotonic() - start, "score": score})
            self.logger.record("validation/score", score)
            self.save()

    return Watch()


class _Validation:
    """The score of a model on a few validation episodes, as ``evaluate`` counts it."""

    def __init__(self, scenario: Scenario, n_seeds: int) -> None:
        from gridbazaar.agents.policies import load_policy
        from gridbazaar.agents.policy import NoBoundError
        from gridbazaar.envs.core import Core
        from gridbazaar.experiments.evaluation.evaluate import ceiling_cur, optimum_cost_cur
        from gridbazaar.experiments.evaluation.play import play

        self.core, self.seeds = Core(scenario, n_seeds), np.arange(n_seeds)
        try:
            bound = optimum_cost_cur(self.core, self.seeds, "validation")
        except NoBoundError:
            bound = np.full(n_seeds, np.nan)
        idle = play(self.core, load_policy("idle"), self.seeds, split="validation").tally.scored_cur
        self.idle, self.ceiling = float(np.mean(idle)), float(np.mean(ceiling_cur(idle, bound)))

    def score(self, model: Any) -> float:
        from gridbazaar.agents.policies.trained import Policy
        from gridbazaar.experiments.evaluation.play import play

        played = play(self.core, Policy(model.policy), self.seeds, split="validation")
        return 100 * (self.idle - float(np.mean(played.tally.scored_cur))) / max(self.idle - self.ceiling, 1e-9)
