"""SAC: one policy for all agents of all kinds, learned off-policy by stable-baselines3 on our VecEnv.

Every agent of every community is a row; what a row saw and did goes into one replay buffer, from which a batch is drawn
again and again (Haarnoja et al. 2018). As with PPO what is left in storage is paid for at the end of an episode, so
the value of the state after it is not bootstrapped. A run ends by agent-steps; checkpoints hold the replay buffer, so
that one that was interrupted goes on bit for bit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

from gridbazaar.agents.network import network_of
from gridbazaar.agents.policies.trained import CHECKPOINT
from gridbazaar.agents.policies.trained import Policy as Trained
from gridbazaar.data.bounds import CountFromOne, Number, OneOf, Positive, PositiveShare, Share, Within
from gridbazaar.data.tables import check_table
from gridbazaar.envs.contract import check_own_kinds
from gridbazaar.envs.episode.world import bank_of
from gridbazaar.envs.observe import feature_columns
from gridbazaar.envs.scenario import Scenario
from gridbazaar.experiments.training.checkpoint import Checkpoint
from gridbazaar.experiments.training.folder import EPISODES_A_SEED, begin, last_of, log_of, opened
from gridbazaar.experiments.training.imitation import NONE, StartConfig, check_start, try_teacher
from gridbazaar.experiments.training.record import Record, Report

_Few = Annotated[int, Within(1, 100_000)]
_MOST_BYTES = 900_000_000
"""Of a replay buffer, which a checkpoint holds."""


@dataclass(frozen=True, slots=True)
class SacConfig(StartConfig):
    """What a run is; written beside its numbers."""

    scenario: str = "village"
    overrides: Mapping[str, Any] = field(default_factory=dict)
    algo: Annotated[str, OneOf("sac")] = "sac"
    steps: Annotated[int, Within(1, 10**12)] = 4_000_000  # agent-steps
    seed: Annotated[int, Within(0, 2**32 - 1)] = 0
    n_envs: _Few = 16
    learning_rate: Positive = 3e-3  # falls linearly to ``last_rate`` of itself
    last_rate: Share = 0.05
    gamma: PositiveShare = 0.99
    tau: PositiveShare = 0.02  # by which the target moves to the critic in an update
    batch_size: _Few = 256
    buffer_size: Annotated[int, Within(1, 10**7)] = 200_000  # transitions, of rows without a device too
    learning_starts: Annotated[int, Within(0, 10**9)] = 10_000  # agent-steps with random actions, or those of a start
    train_every: _Few = 1  # intervals
    gradient_steps: _Few = 4  # as often
    entropy: Positive = 0.02  # its weight as the run begins
    learns_entropy: bool = True  # whether the weight moves until the entropy is ``entropy_target``
    entropy_target: Number | None = None  # none: minus the number of actions
    width: _Few = 64
    checkpoint_rollouts: CountFromOne = 10  # a rollout is an episode of all communities
    validate_rollouts: CountFromOne = 10
    validate_seeds: Annotated[int, Within(0, 100_000)] = 8
    threads: Annotated[int, Within(1, 1024)] = 1

    def __post_init__(self) -> None:
        check_table(self, "")
        check_start(self)
        if self.entropy_target is not None and not self.learns_entropy:
            raise ValueError("entropy_target: it is of learns_entropy = true; leave it out, or let it be learned")


def train_sac(
    config: SacConfig,
    out: str | Path,
    *,
    force: bool = False,
    resume: bool = False,
    allow_code: bool = False,
    report: Report | None = None,
) -> Path:
    """Train a policy and write the run into a folder; arguments and what is written as of ``train``.

    ``report`` is called after every rollout. Raises ``ValueError`` where the run does not fit to the scenario.
    """
    import torch
    from stable_baselines3.common.logger import configure

    folder, config, scenario = opened(out, config, force=force, resume=resume, allow_code=allow_code)
    import_module("tensorboard")
    check_own_kinds(scenario)
    _check_fits(config, scenario)
    torch.set_num_threads(config.threads)
    bank_of(scenario.data, scenario.seed, scenario.step_min)  # a mistake leaves an earlier run alone
    if not resume:
        try_teacher(config, scenario)
        begin(folder, config, scenario, force=force)
    last = last_of(folder, resume=resume)
    record = Record(scenario, folder, config.validate_seeds, last)
    model = _model(config, scenario, last)
    if last is None and config.start != NONE:
        from gridbazaar.experiments.training.imitate_rows import teach_sac

        teach_sac(model, config, scenario, config.seed)
    watch = _callback(config, scenario, record, report)
    if last is not None:
        _put_back(model, last, folder / CHECKPOINT)
    left = config.steps - model.num_timesteps
    if left > 0:
        log = log_of(folder) / (f"from_{model.num_timesteps}" if last is not None else "")
        model.set_logger(configure(str(log), ["csv", "tensorboard"]))
        try:
            model.progress = watch.progress
            rollout = model.env.num_envs * scenario.n_steps
            whole = -(-left // rollout) * rollout  # episodes are played to their end
            model.learn(whole, callback=watch, reset_num_timesteps=False, log_interval=model.env.num_envs)
            watch.validate()
            watch.save()
            watch.tell()
        finally:
            model.logger.close()
    watch.record.finish(model.num_timesteps, model.acting())
    return folder


def _check_fits(config: SacConfig, scenario: Scenario) -> None:
    """Refuse what does not fit to the scenario's episodes.

    Raises:
        ValueError: names the field.
    """
    n_steps, rows = scenario.n_steps, config.n_envs * len(scenario.agent_names)
    if n_steps % config.train_every:
        raise ValueError(
            f"train_every: expected a divisor of the episode's {n_steps} intervals, so that runs can be interrupted "
            f"between episodes; got {config.train_every}"
        )
    if config.buffer_size < rows * n_steps:
        raise ValueError(
            f"buffer_size: expected at least an episode of {config.n_envs} communities, {rows * n_steps:,}; got "
            f"{config.buffer_size:,}; ask for more, or for a smaller n_envs"
        )
    held_bytes = 4 * config.buffer_size * (len(feature_columns(scenario)) + 8)
    if held_bytes > _MOST_BYTES:
        raise ValueError(
            f"buffer_size: expected at most {_MOST_BYTES:,} bytes in all, {config.buffer_size:,} transitions need "
            f"{held_bytes:,}; ask for fewer"
        )


def _model(config: SacConfig, scenario: Scenario, last: Checkpoint | None) -> Any:
    """A new model, whose environments begin with the episodes that follow those of the last checkpoint."""
    from torch import nn

    from gridbazaar.envs.views.vec_env import vec_env
    from gridbazaar.experiments.training.ppo import without_bootstrap
    from gridbazaar.experiments.training.replay import MarketSAC

    market = vec_env(scenario, n_envs=config.n_envs)
    market.seed(config.seed * EPISODES_A_SEED + (0 if last is None else last.episodes))
    target = "auto" if config.entropy_target is None else config.entropy_target
    model = MarketSAC(
        "MlpPolicy",
        without_bootstrap(market),
        learning_rate=config.learning_rate,
        last_rate=config.last_rate,
        buffer_size=config.buffer_size,
        learning_starts=config.learning_starts,
        batch_size=config.batch_size,
        tau=config.tau,
        gamma=config.gamma,
        train_freq=config.train_every,
        gradient_steps=config.gradient_steps,
        ent_coef=f"auto_{config.entropy!r}" if config.learns_entropy else config.entropy,
        target_entropy=target,
        policy_kwargs={"net_arch": [config.width, config.width], "activation_fn": nn.Tanh},
        seed=config.seed,
        device="cpu",
    )
    model.replay_buffer.owners = market.active_rows  # type: ignore[union-attr]
    model.begins_random = config.start == NONE
    return model


def _put_back(model: Any, last: Checkpoint, where: Path) -> None:
    try:
        model.put_back(last)
    except (ValueError, TypeError, RuntimeError, KeyError, IndexError) as error:
        raise ValueError(f"{where}: cannot go on from this checkpoint, {error}; start the run anew") from error


def _callback(config: SacConfig, scenario: Scenario, record: Record, report: Report | None) -> Any:
    from stable_baselines3.common.callbacks import BaseCallback

    class Watch(BaseCallback):
        """Checkpoints, validation and progress, between two episodes."""

        def __init__(self) -> None:
            super().__init__()
            self.record = record

        def progress(self) -> float:
            """Share of the run that is done."""
            return float(min(self.model.num_timesteps / config.steps, 1.0))

        @property
        def rollout(self) -> int:
            """Agent-steps of an episode of all communities."""
            return int(self.training_env.num_envs * scenario.n_steps)

        def _on_training_start(self) -> None:
            self.model.replay_buffer.begin()  # type: ignore[attr-defined]
            if not record.curve:
                self.validate()
            if record.saved_steps < 0:
                self.save()

        def _on_step(self) -> bool:
            return True

        def _on_rollout_start(self) -> None:
            """Before anything is played; only where all episodes begin is anything done."""
            rollouts, within = divmod(self.model.num_timesteps, self.rollout)
            if within:
                return
            if rollouts and rollouts % config.validate_rollouts == 0:
                self.validate()
            if rollouts and rollouts % config.checkpoint_rollouts == 0:
                self.save()
            self.tell()

        def tell(self) -> None:
            if report is not None:
                report(self.model.num_timesteps, config.steps, record.latest | {"progress": self.progress()})

        def save(self) -> None:
            episodes = self.model.num_timesteps // self.rollout * config.n_envs
            record.save(self.model.num_timesteps, lambda: self.model.state() | {"episodes": episodes})  # type: ignore[attr-defined]

        def validate(self) -> None:
            steps = self.model.num_timesteps
            score = record.validate(steps, self.model.acting, lambda held: Trained(network_of(held)))  # type: ignore[attr-defined]
            if score is not None:
                self.logger.record("validation/score", score)
                self.save()

    return Watch()
