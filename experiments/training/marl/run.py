"""IPPO and MAPPO: a policy for each kind, judged by what its agents see, or by what there is to see in all.

Proximal policy optimisation by BenchMARL and TorchRL (Yu et al. 2022). A run is a folder like those of PPO, ends by
agent-steps, and goes on bit for bit where it was interrupted: nothing is carried from one rollout to the next but
weights, moments of the optimisers and the generators.
"""

from __future__ import annotations

import logging
from importlib import import_module
from pathlib import Path
from typing import Any

from gridbazaar.agents.network import networks_of
from gridbazaar.agents.policies.trained import CHECKPOINT
from gridbazaar.agents.policies.trained import PolicyOfKinds as Trained
from gridbazaar.envs.contract import check_own_kinds
from gridbazaar.envs.episode.world import bank_of
from gridbazaar.experiments.training.checkpoint import Checkpoint
from gridbazaar.experiments.training.folder import begin, last_of, opened
from gridbazaar.experiments.training.marl.config import MarlConfig
from gridbazaar.experiments.training.record import Record, Report


def train_marl(
    config: MarlConfig,
    out: str | Path,
    *,
    force: bool = False,
    resume: bool = False,
    allow_code: bool = False,
    report: Report | None = None,
) -> Path:
    """Train a policy and write the run into a folder; arguments and what is written as of ``train``, without logs.

    ``report`` is called after every rollout.
    """
    folder, config, scenario = opened(out, config, force=force, resume=resume, allow_code=allow_code)
    for library in ("benchmarl", "torchrl", "torch"):
        import_module(library)
    import torch

    from gridbazaar.experiments.training.marl.learner import Learner

    check_own_kinds(scenario)
    torch.set_num_threads(config.threads)
    bank_of(scenario.data, scenario.seed, scenario.step_min)  # a mistake leaves an earlier run alone
    if not resume:
        begin(folder, config, scenario, force=force)
    last = last_of(folder, resume=resume)
    learner = Learner(config, scenario, 0 if last is None else last.episodes)
    record = Record(scenario, folder, config.validate_seeds, last)
    told = logging.getLogger("torchrl")
    level = told.level
    told.setLevel(logging.WARNING)  # it tells of each buffer that it makes
    try:
        if last is not None:
            _put_back(learner, last, folder / CHECKPOINT)
        _learn(config, learner, record, report)
        record.finish(learner.steps_done, learner.acting())
    finally:
        told.setLevel(level)
        learner.close()
    return folder


def _learn(config: MarlConfig, learner: Any, record: Record, report: Report | None) -> None:
    """Rollout after rollout; between two of them all episodes begin."""

    def validate() -> None:
        if record.validate(learner.steps_done, learner.acting, lambda held: Trained(networks_of(held))) is not None:
            record.save(learner.steps_done, learner.state)

    if not record.curve:
        validate()
    record.save(learner.steps_done, learner.state)
    while True:
        if report is not None:
            progress = min(learner.steps_done / config.steps, 1.0)
            report(learner.steps_done, config.steps, record.latest | {"progress": progress})
        if learner.steps_done >= config.steps:
            break
        learner.learn()
        rollouts, is_last = learner.steps_done // learner.rollout, learner.steps_done >= config.steps
        if is_last or rollouts % config.validate_rollouts == 0:
            validate()
        if is_last or rollouts % config.checkpoint_rollouts == 0:
            record.save(learner.steps_done, learner.state)


def _put_back(learner: Any, last: Checkpoint, where: Path) -> None:
    try:
        learner.put_back(last)
    except (ValueError, TypeError, RuntimeError, KeyError, IndexError) as error:
        raise ValueError(f"{where}: cannot go on from this checkpoint, {error}; start the run anew") from error
