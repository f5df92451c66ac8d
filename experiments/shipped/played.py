"""Played: what each policy costs in a scenario, episode by episode; kept, so that none is played twice."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from gridbazaar.agents.policies.trained import model_of
from gridbazaar.data.inputs import read_json
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.result import Evaluation
from gridbazaar.experiments.files import versions, write_json
from gridbazaar.experiments.fingerprint import settings_sha256
from gridbazaar.experiments.shipped.asked import MPC, OPTIMUM, Asked
from gridbazaar.experiments.workers import Workers

DIGITS = 4
"""Of costs that are kept; what a table says is counted from these."""
Tick = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Played:
    """What came in a scenario."""

    scenario: str
    settings_sha256: str
    currency: str
    first: int  # test episode
    cost_cur: Mapping[str, list[float]]  # of each episode, by policy
    saved_cur: Mapping[str, Mapping[str, float]]  # of each kind against idle, by policy, mean of the episodes
    rules: tuple[str, ...]
    runs: tuple[str, ...]  # policies that were trained by the recipe
    replay_cur: list[float] | None = None  # of the optimum, with the forecasts that there are
    bound_cur: list[float] | None = None
    no_program: str | None = None  # what the optimum's program does not cover
    skipped: Mapping[str, str] = field(default_factory=dict)  # why mpc or the optimum was not played
    reason: str = ""  # why what learned is not clearly better than the best rule

    @property
    def episodes(self) -> int:
        return len(self.cost_cur["idle"])


def label_of(seed: int) -> str:
    """Name a run."""
    return f"learned/seed_{seed}"


def play_all(
    name: str, asked: Asked, runs: Mapping[int, Path], folder: Path, *, workers: Workers | None = None,
    tick: Tick | None = None,
) -> Played:  # fmt: skip
    """Play a scenario: idle and its rules, MPC, then what learned, with the optimum's bound and replay.

    Args:
        name: of the scenario.
        asked: what is played.
        runs: what each training seed plays; none: nothing learned there.
        folder: keeps what was played; it is taken where policies, weights, episodes, settings and versions are as now.
        workers: who plays; none: this process.
        tick: called with (policy, intervals done, intervals in all).
    """
    scenario, learned = load_scenario(name), {label_of(seed): str(path) for seed, path in runs.items()}
    came: dict[str, Any] = {"cost_cur": {}, "saved_cur": {}}
    for part in _parts(asked, learned):
        held = _played(part, scenario, asked, folder / f"{part.name}.json", workers, tick)
        come = {key: came[key] | held[key] for key in ("cost_cur", "saved_cur")}
        came |= held | come
    return Played(
        name, settings_sha256(scenario), scenario.currency, asked.first, came["cost_cur"], came["saved_cur"],
        tuple(asked.rules), tuple(learned), came.get("replay_cur"), came.get("bound_cur"), came.get("no_program"),
        asked.skipped, asked.reason,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Part:
    """What is played, and kept, together."""

    name: str
    sources: Mapping[str, str]  # by label
    bound: bool  # with the optimum's


def _parts(asked: Asked, learned: Mapping[str, str]) -> list[_Part]:
    parts = [_Part("rules", {rule: rule for rule in asked.rules}, bound=False)]
    if MPC not in asked.skipped:
        parts.append(_Part(MPC, {MPC: MPC}, bound=False))
    if learned or OPTIMUM not in asked.skipped:
        parts.append(_Part("learned", learned, bound=OPTIMUM not in asked.skipped))
    return parts


def _played(
    part: _Part, scenario: Scenario, asked: Asked, path: Path, workers: Workers | None, tick: Tick | None
) -> dict[str, Any]:
    """Play a part, unless it is kept as it would come."""
    identity = _identity(settings_sha256(scenario), asked, part)
    held = read_json(path) if path.is_file() else {}
    if held.get("identity") == identity:
        return held
    begun_s = time.monotonic()
    found = evaluate(scenario, part.sources, seeds=asked.numbers, bound=part.bound, workers=workers, tick=tick)
    kept = {"identity": identity, "seconds": round(time.monotonic() - begun_s)} | _kept(found, part)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, kept)
    return kept


def _identity(settings: str, asked: Asked, part: _Part) -> dict[str, Any]:
    """What makes what was played what it is."""
    return {
        "settings_sha256": settings,
        "first": asked.first,
        "episodes": asked.episodes,
        "bound": part.bound,
        "policies": {label: _weights(source) for label, source in part.sources.items()},
        "versions": versions(),
    }


def _weights(source: str) -> str:
    """The hash of what a run plays; of a rule its name."""
    path = model_of(source)
    return source if path is None else hashlib.sha256(path.read_bytes()).hexdigest()


def _kept(found: Evaluation, part: _Part) -> dict[str, Any]:
    cost = {r.policy: _rounded(r.scored_cur) for r in found.results}
    saved = {
        r.policy: {kind: round(float(r.kind_savings_cur[kind].mean()), DIGITS) for kind in found.parts}
        for r in found.results
    }
    kept: dict[str, Any] = {"cost_cur": cost, "saved_cur": saved}
    if not part.bound:
        return kept
    if found.replays is None:
        return kept | {"no_program": found.no_bound}
    return kept | {"replay_cur": _rounded(found.replays.cost_cur), "bound_cur": _rounded(found.bound_cur)}


def _rounded(values: Any) -> list[float]:
    return [round(float(x), DIGITS) for x in values]


def to_table(played: Played) -> dict[str, Any]:
    """Give what is kept of a scenario, see ``of_table``."""
    return {name: value for name, value in asdict(played).items() if name != "scenario"}


def of_table(name: str, held: Mapping[str, Any]) -> Played:
    """Read what ``to_table`` kept."""
    lists = {key: tuple(held[key]) for key in ("rules", "runs")}
    return Played(name, **{**held, **lists})
