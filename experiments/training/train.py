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
from gridbazaar.agents.policies.trained import CHECKPOINT, CONFIG, MODEL, OLD_MODEL, file_of_run, read_manifest
from gridbazaar.data.bounds import CountFromOne, NotNegative, OneOf, Positive, PositiveShare, Share, Within
from gridbazaar.data.tables import check_table
from gridbazaar.envs.contract import check_own_kinds
from gridbazaar.envs.episode.world import bank_of
from gridbazaar.envs.observe import feature_columns
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.files import write_json
from gridbazaar.experiments.training import checkpoint as checkpoints
from gridbazaar.experiments.training.checkpoint import Checkpoint
from gridbazaar.experiments.training.folder import (
    EPISODES_A_SEED,
    begin,
    checkpoint_steps,
    last_of,
    log_of,
    opened,
    read_as,
)
from gridbazaar.experiments.training.imitation import NONE, StartConfig, check_start, try_teacher
from gridbazaar.experiments.training.record import Record

_Steps = Annotated[int, Within(1, 10**12)]
_Few = Annotated[int, Within(1, 100_000)]


@dataclass(frozen=True, slots=True)
class TrainConfig(StartConfig):
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
        check_start(self)
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

    folder, config, scenario = opened(out, config, force=force, resume=resume, allow_code=allow_code)
    import_module("tensorboard")
    check_own_kinds(scenario)
    torch.set_num_threads(config.threads)
    bank_of(scenario.data, scenario.seed, scenario.step_min)  # a mistake leaves an earlier run alone
    if not resume:
        try_teacher(config, scenario)
        begin(folder, config, scenario, force=force)
    start = time.monotonic()
    last = last_of(folder, resume=resume)
    model = _model(config, scenario, last)
    if last is None and config.start != NONE:
        from gridbazaar.experiments.training.imitate_rows import teach_ppo

        teach_ppo(model, config, scenario, config.seed)
    callback = _callback(config, scenario, folder, last, start, report)
    if last is not None:
        checkpoints.put_back(model, last, folder / CHECKPOINT)
    left = config.steps - model.num_timesteps
    if left > 0:
        log = log_of(folder) / (f"from_{model.num_timesteps}" if last is not None else "")
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
    market.seed(config.seed * EPISODES_A_SEED + done)
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

    record = Record(scenario, folder, config.validate_seeds, last, start)

    class Watch(BaseCallback):
        """Checkpoints, validation, progress and the time limit."""

        def progress(self) -> float:
            """Share of the run that is done, by steps or by the clock, whichever is further."""
            begun = config.schedule_from
            done: float = (self.model.num_timesteps - begun) / (config.steps - begun)
            if config.max_minutes is not None:
                done = max(done, (time.monotonic() - record.begun_s) / 60 / config.max_minutes)
            return min(done, 1.0)

        def _on_training_start(self) -> None:
            if not record.curve:
                self.validate()
            if record.saved_steps < 0:
                self.save()

        def _on_step(self) -> bool:
            return True

        def _on_rollout_start(self) -> None:
            """Between two rollouts, where all episodes begin."""
            rollouts = self.model.num_timesteps // (self.training_env.num_envs * scenario.n_steps)
            if rollouts and rollouts % config.validate_rollouts == 0:
                self.validate()
            if rollouts and rollouts % config.checkpoint_rollouts == 0:
                self.save()
            self.tell()

        def tell(self) -> None:
            if report is not None:
                report(self.model.num_timesteps, config.steps, record.latest | {"progress": self.progress()})

        def save(self) -> None:
            record.save(self.model.num_timesteps, self.state)

        def state(self) -> dict[str, Any]:
            weights, moments, rate = checkpoints.taken(self.model)
            drawn, drawn_more = checkpoints.generators()
            episodes = self.model.num_timesteps // (self.training_env.num_envs * scenario.n_steps) * config.n_envs
            return {
                "episodes": episodes, "weights": weights, "moments": moments, "rate": rate, "drawn": drawn,
                "drawn_more": drawn_more,
            }  # fmt: skip

        def validate(self) -> None:
            score = record.validate(
                self.model.num_timesteps,
                lambda: checkpoints.taken(self.model)[0],
                lambda weights: Trained(network_of(weights)),
            )
            if score is not None:
                self.logger.record("validation/score", score)
                self.save()

        def finish(self, model: Any) -> None:
            record.finish(model.num_timesteps, checkpoints.taken(model)[0])

    return Watch()
