"""Training: one policy for all agents of all kinds, by stable-baselines3's PPO on our VecEnv.

Defaults are those that learned best on validation days in five minutes: many updates a rollout, rewards of the own bill
shaped by the worth of stored energy, fixed scales in place of running normalisation. What is left in storage is paid
for at the end of an episode, so the value of the state after it is not bootstrapped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from gridbazaar.agents.network import network_of
from gridbazaar.agents.policies.trained import BEST, CHECKPOINT, CONFIG, MODEL, OLD_MODEL, file_of_run, read_manifest
from gridbazaar.data.bounds import CountFromOne, NotNegative, OneOf, Positive, PositiveShare, Share, Within
from gridbazaar.data.tables import check_table
from gridbazaar.envs.contract import check_own_kinds
from gridbazaar.envs.episode.world import bank_of
from gridbazaar.envs.observe import feature_columns
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.files import PARTIAL, check_folder, write_json
from gridbazaar.experiments.training import checkpoint as checkpoints
from gridbazaar.experiments.training.checkpoint import Checkpoint, read_checkpoint
from gridbazaar.experiments.training.folder import begin, checkpoint_steps, read_as, read_scenario
from gridbazaar.experiments.training.validation import Validation

_Steps = Annotated[int, Within(1, 10**12)]
_Few = Annotated[int, Within(1, 100_000)]


@dataclass(frozen=True, slots=True)
class TrainConfig:
    """What a run is; written beside its numbers."""

    scenario: str = "village"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    algo: Annotated[str, OneOf("ppo")] = "ppo"
    steps: _Steps = 4_000_000  # agent-steps
    seed: Annotated[int, Within(0, 2**32 - 1)] = 0
    n_envs: _Few = 32
    learning_rate: Positive = 2e-3  # falls linearly to ``last_rate`` of itself
    last_rate: Share = 0.05
    gamma: PositiveShare = 0.995
    gae_lambda: Share = 0.95
    epochs: _Few = 4
    minibatches: _Few = 16
    clip: Positive = 0.2
    entropy: NotNegative = 0.0
    log_std: Annotated[float, Within(-20.0, 5.0)] = -0.5
    width: _Few = 128
    max_minutes: Positive | None = None  # ends the run early, and the fall of the learning rate with it
    checkpoint_rollouts: CountFromOne = 20
    validate_rollouts: CountFromOne = 20
    validate_seeds: Annotated[int, Within(0, 100_000)] = 8
    threads: Annotated[int, Within(1, 1024)] = 1
    schedule_from: Annotated[int, Within(0, 10**12)] = 0  # agent-steps from which the rate falls: of the run extended

    def __post_init__(self) -> None:
        check_table(self, "")
        if self.schedule_from >= self.steps:
            raise ValueError(f"schedule_from: expected 0 to steps less one, got {self.schedule_from} of {self.steps}")


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
        check_folder(folder, force=force)
        scenario = load_scenario(config.scenario, allow_code=allow_code, **config.overrides)
    import_module("tensorboard")
    check_own_kinds(scenario)
    torch.set_num_threads(config.threads)
    bank_of(scenario.data, scenario.seed, scenario.step_min)  # a mistake leaves an earlier run alone
    if not resume:
        begin(folder, config, scenario, force=force)
    for left_over in folder.glob(f".*{PARTIAL}"):  # of a run that was killed while it wrote
        left_over.unlink()
    start = time.monotonic()
    last = read_checkpoint(folder) if resume else None
    model = _model(config, scenario, last)
    callback = _callback(config, scenario, folder, last, start, report)
    if last is not None:
        checkpoints.put_back(model, last, folder / CHECKPOINT)
    left = config.steps - model.num_timesteps
    if left > 0:
        log = _log_of(folder) / (f"from_{model.num_timesteps}" if last is not None else "")
        model.set_logger(configure(str(log), ["csv", "tensorboard"]))
        try:
            model.progress = callback.progress
            model.learn(left, callback=callback, reset_num_timesteps=False)
            callback.validate()
            callback.save()
            callback.tell()
        finally:
            model.logger.close()
    callback.finish(model)
    return folder


def _log_of(folder: Path) -> Path:
    """Where the logs of a run are; they are written by others, who would follow links."""
    log = file_of_run(folder, "log")
    for path in log.rglob("*") if log.is_dir() else ():
        if path.is_symlink():
            raise ValueError(f"{path} is a link; expected the logs of a run in its own folder")
    return log


def read_config(folder: str | Path) -> TrainConfig:
    """Read how a run was started; errors as of ``read_as``."""
    return read_as(folder, TrainConfig)


def extend(folder: str | Path, steps: int) -> TrainConfig:
    """Let a finished run go on to so many agent-steps when it is resumed; give its new configuration.

    The learning rate begins its fall anew, so this is another run than one planned for as many steps. A limit by the
    clock is lifted.

    Raises:
        ValueError: the run is not finished, or was longer.
    """
    folder = Path(folder)
    config, done = read_config(folder), checkpoint_steps(folder)
    models = [file_of_run(folder, name) for name in (MODEL, OLD_MODEL)]
    if done is None or not any(model.is_file() for model in models):
        raise ValueError(f"steps was {config.steps}, not {steps}, and the run is not finished; leave --steps out first")
    if steps <= done:
        raise ValueError(f"steps: expected more than the {done:,} that the run has, got {steps:,}")
    extended = replace(config, steps=steps, schedule_from=done, max_minutes=None)
    values = read_manifest(folder)
    for model in models:  # the run is not finished any more, and its checkpoint is the same
        model.unlink(missing_ok=True)
    write_json(file_of_run(folder, CONFIG), values | {"train": asdict(extended)})
    return extended


def _model(config: TrainConfig, scenario: Scenario, last: Checkpoint | None) -> Any:
    """A new model, whose environments begin with the episodes that follow those of the last checkpoint."""
    from torch import nn

    from gridbazaar.envs.views.vec_env import vec_env
    from gridbazaar.experiments.training.ppo import MarketPPO, without_bootstrap

    market = vec_env(scenario, n_envs=config.n_envs)
    done = 0 if last is None else last.steps // (market.num_envs * scenario.n_steps) * config.n_envs
    market.seed(config.seed * 1_000_003 + done)
    venv = without_bootstrap(market)
    rows, names = venv.num_envs, [column.name for column in feature_columns(scenario)]
    return MarketPPO(
        "MlpPolicy",
        venv,
        learning_rate=config.learning_rate,
        last_rate=config.last_rate,
        minibatches=config.minibatches,
        capacity=names.index("capacity") if "capacity" in names else None,
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


def _callback(
    config: TrainConfig, scenario: Scenario, folder: Path, last: Checkpoint | None, start: float, report: Any
) -> Any:
    from stable_baselines3.common.callbacks import BaseCallback

    from gridbazaar.agents.policies.trained import Policy as Trained

    curve: list[dict[str, float]] = [] if last is None else list(last.curve)
    begun_s = start - (0.0 if last is None else last.seconds)

    class Watch(BaseCallback):
        """Checkpoints, validation, progress and the time limit."""

        def __init__(self) -> None:
            super().__init__()
            self.validation: Any = None
            self.saved_steps = -1 if last is None else last.steps
            self.best = {} if last is None else last.best
            self.shown_steps = -1  # of the best model that lies beside the checkpoint
            self.best_steps = int(max(curve, key=lambda point: point["score"])["steps"]) if curve else 0

        def progress(self) -> float:
            """Share of the run that is done, by steps or by the clock, whichever is further."""
            begun = config.schedule_from
            done: float = (self.model.num_timesteps - begun) / (config.steps - begun)
            if config.max_minutes is not None:
                done = max(done, (time.monotonic() - begun_s) / 60 / config.max_minutes)
            return min(done, 1.0)

        def _on_training_start(self) -> None:
            if not curve:
                self.validate()
            if self.saved_steps < 0:
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
            steps = self.model.num_timesteps
            if self.saved_steps == steps:
                return
            weights, moments, rate = checkpoints.taken(self.model)
            drawn, drawn_more = checkpoints.generators()
            episodes = steps // (self.training_env.num_envs * scenario.n_steps) * config.n_envs
            now = Checkpoint(
                steps=steps, episodes=episodes, seconds=time.monotonic() - begun_s, curve=curve, weights=weights,
                moments=moments, rate=rate, best=self.best, drawn=drawn, drawn_more=drawn_more,
            )  # fmt: skip
            checkpoints.write_checkpoint(folder, now)
            self.saved_steps = steps
            self.show_best()

        def validate(self) -> None:
            """Score the model on validation episodes; the checkpoint keeps the best one."""
            steps = self.model.num_timesteps
            if not config.validate_seeds or (curve and curve[-1]["steps"] == steps):
                return
            if self.validation is None:
                self.validation = Validation(scenario, config.validate_seeds)
            weights = checkpoints.taken(self.model)[0]
            score = self.validation.score(Trained(network_of(weights)))
            if not self.best or score > max(point["score"] for point in curve):
                self.best, self.best_steps = weights, steps
            curve.append({"steps": steps, "seconds": time.monotonic() - begun_s, "score": score})
            self.logger.record("validation/score", score)
            self.save()

        def show_best(self) -> None:
            """Write the best model so that it can be played by its name."""
            if self.best and self.shown_steps != self.best_steps:
                checkpoints.write_weights(folder, BEST, self.best, self.best_steps)
                self.shown_steps = self.best_steps

        def finish(self, model: Any) -> None:
            """Write what the run ended with; that it stands there says that the run is complete."""
            self.show_best()
            checkpoints.write_weights(folder, MODEL, checkpoints.taken(model)[0], model.num_timesteps)

    return Watch()
