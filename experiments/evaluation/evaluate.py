"""Evaluation: every policy plays the same held-out episodes, between the floor (idle) and the bound (100).

The score of a policy is ``100 x (idle - policy) / (idle - bound)``, of the whole cost that the community and who runs
its market bear: all lines of all bills, wear, discomfort, upkeep, what was not served, less what is left in storage.
The bound is that of the optimum's program, which no policy can undercut. Beside it stand two replays of the optimum,
played through the market: with the scenario's forecasts, and as if nobody erred. What lies between a policy and the
first is skill, between the two the price of not knowing, between the second and the bound what the program leaves out.
Where a scenario has what the program does not cover, the score is the share of idle's cost that is saved, in percent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.policies import LEARNED, SORT, is_own, learned, load_policy
from gridbazaar.agents.policy import Policy
from gridbazaar.data.registry import name_of, stated
from gridbazaar.envs.contract import check_own_kinds, check_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import Transition
from gridbazaar.experiments.evaluation.bound import ceiling_cur
from gridbazaar.experiments.evaluation.parts import PERFECT, REPLAY, Batch, Figures
from gridbazaar.experiments.evaluation.playing import NOT_ASKED_FOR, Asked, Came, Count, play_by, play_here
from gridbazaar.experiments.evaluation.result import Evaluation, Replays, Result
from gridbazaar.experiments.evaluation.runs import with_runs
from gridbazaar.experiments.evaluation.statistics import share_interval
from gridbazaar.experiments.span import read_span, refuse_shared
from gridbazaar.experiments.workers import Workers

BATCH = 32
"""Episodes that are played at once."""
_TRIED = 3  # intervals that a policy of one's own plays before anything else does


def evaluate(
    scenario: Scenario | str,
    policies: Mapping[str, Any] | Sequence[Any],
    *,
    seeds: int | Sequence[int] = 20,
    split: str = "test",
    replays: bool = True,
    bound: bool = True,
    accounts: bool = False,
    allow_code: bool = False,
    workers: Workers | int | None = None,
    tick: Callable[[str, int, int], None] | None = None,
    record: Callable[[str, Core, Transition], None] | None = None,
    **overrides: Any,
) -> Evaluation:
    """Play policies on the same episodes.

    Args:
        scenario: a scenario or its name, with ``overrides``.
        policies: a list of names, folders of training runs, paths (``mine.py:Class``) and objects, see
            ``load_policy``; a folder of runs (``train --seeds``) stands for all of them; ``label=folder`` or
            ``label=mine.py`` shows one under a name of its own. Or a table of them by the names under which they are
            shown. Idle is always played, it is the floor.
        seeds: how many episodes (0, 1, ...), or their numbers.
        split: test (held out from training), validation or train.
        replays: also play the optimum's schedule, with the scenario's forecasts and with perfect ones.
        bound: solve for the bound; without it there are no replays, and a score is the share of idle's cost saved.
        accounts: also keep what every agent was billed and metered in each calendar month.
        allow_code: also load Python files that a scenario's TOML file names, and play models that others made with
            stable-baselines3, which may run code of theirs.
        workers: processes that play at once, or how many on this machine; what is found is the same however many
            there are. None: this process alone.
        tick: called with (policy, intervals done, intervals in all), for progress; first the ``bound`` is computed.
        record: called with (policy, core, what happened) after every interval of every policy, replays aside; without
            workers.
    """
    chosen = load_scenario(scenario, allow_code=allow_code, **overrides)
    numbers = tuple(range(seeds)) if isinstance(seeds, int) else tuple(int(s) for s in seeds)
    if not numbers:
        raise ValueError("seeds: expected at least one")
    sources, runs = with_runs({"idle": "idle"} | labelled(policies))
    loaded = loaded_for(chosen, sources, numbers, split, allow_code=allow_code)
    replays, by = replays and bound, Workers(workers) if isinstance(workers, int) else workers
    if by is not None and record is not None:
        raise ValueError("record: it sees what is played in this process; leave workers out")
    batches = [Batch(chosen, numbers[i : i + BATCH], split) for i in range(0, len(numbers), BATCH)]
    asked = Asked(sources, bound=bound, replays=replays, keeps_accounts=accounts, allow_code=allow_code)
    count = Count(asked, batches, tick)
    came = play_here(asked, batches, loaded, count, record) if by is None else play_by(asked, batches, by, count)
    return _told(_evaluation(chosen, split, numbers, came), sources, runs)


def loaded_for(
    scenario: Scenario, sources: Mapping[str, Any], seeds: tuple[int, ...], split: str, *, allow_code: bool = False
) -> dict[str, Policy]:
    """Load policies for a scenario, and refuse what would fail later or was trained on these episodes."""
    check_own_kinds(scenario)
    loaded = {name: load_policy(source, allow_code=allow_code) for name, source in sources.items()}
    for source in filter(is_own, sources.values()):  # a mistake costs no episode
        check_policy(source, scenario, steps=_TRIED)
    if split != "train":  # the episodes of training are asked for by name
        _refuse_trained_on(sources.values(), scenario, split, seeds)
    return loaded


def evaluation_of(
    scenario: Scenario, split: str, seeds: tuple[int, ...], played: Mapping[str, Sequence[Figures]],
    sources: Mapping[str, Any], runs: Mapping[str, tuple[str, ...]],
) -> Evaluation:  # fmt: skip
    """Put together what was played elsewhere: batches of each policy, idle among them; without a bound."""
    came = Came({name: list(parts) for name, parts in played.items()}, NOT_ASKED_FOR)
    return _told(_evaluation(scenario, split, seeds, came), sources, runs)


def _told(found: Evaluation, sources: Mapping[str, Any], runs: Mapping[str, tuple[str, ...]]) -> Evaluation:
    """Say of policies of one's own what they are, and of runs whose they are."""
    own = {label: stated(source, SORT) for label, source in sources.items() if is_own(source)}
    return replace(found, code=own, runs=runs)


def _evaluation(scenario: Scenario, split: str, numbers: tuple[int, ...], came: Came) -> Evaluation:
    """Put the batches together and measure them against idle, bound and replays."""
    nothing, no_bound = np.full(len(numbers), np.nan), came.no_bound
    bound_cur = nothing if no_bound else np.concatenate(came.bound_cur)
    scored = {name: np.concatenate([p.scored_cur for p in parts]) for name, parts in came.policies.items()}
    replays = {name: np.concatenate(parts) for name, parts in came.replays.items() if parts and no_bound is None}
    if no_bound is None:
        rounding = np.concatenate(came.rounding_cur)
        for name, cost_cur in (scored | replays).items():
            _refuse_above_bound(name, numbers, cost_cur, bound_cur, rounding)
    idle, ceiling = scored["idle"], ceiling_cur(scored["idle"], bound_cur)
    replayed = None
    if replays:
        replay, perfect = replays[REPLAY], replays[PERFECT]
        scores = share_interval(idle, replay, ceiling), share_interval(idle, perfect, ceiling)
        replayed = Replays(replay, perfect, *scores)
    idle_kinds = _joined([p.kind_cost_cur for p in came.policies["idle"]])
    results = []
    for name, parts in came.policies.items():
        cost_cur, kinds = scored[name], _joined([p.kind_cost_cur for p in parts])
        results.append(
            Result(
                policy=name,
                seeds=numbers,
                figures=_joined([p.figures for p in parts]),
                kind_cost_cur=kinds,
                kind_savings_cur={kind: idle_kinds[kind] - cost for kind, cost in kinds.items()},
                agent_cost_cur=np.concatenate([p.cost_cur for p in parts]),
                scored_cur=cost_cur,
                savings_cur=idle - cost_cur,
                score=share_interval(idle, cost_cur, ceiling),
                of_replay=share_interval(idle, cost_cur, nothing if replayed is None else replayed.cost_cur),
                of_perfect=share_interval(idle, cost_cur, nothing if replayed is None else replayed.perfect_cur),
                accounts=tuple(p.accounts for p in parts if p.accounts is not None),
            )
        )
    return Evaluation(
        scenario=scenario, split=split, seeds=numbers, bound_cur=bound_cur, results=tuple(results),
        replays=replayed, no_bound=no_bound,
    )  # fmt: skip


def _refuse_trained_on(sources: Iterable[Any], scenario: Scenario, split: str, seeds: tuple[int, ...]) -> None:
    """Refuse episodes of which a run among the policies may have seen a part in training."""
    for source in (s for s in sources if isinstance(s, str | Path) and not is_own(s)):
        span = read_span(learned.folder_of(scenario.name) if source == LEARNED else source)
        if span is not None:
            refuse_shared(str(source), span, scenario, split, seeds)


def labelled(policies: Mapping[str, Any] | Sequence[Any]) -> dict[str, Any]:
    """Name each policy: ``label=folder`` gives a run a label, an object has that of its class, all else is its own."""
    if isinstance(policies, Mapping):
        return {str(label): source for label, source in policies.items()}
    if isinstance(policies, str):
        raise ValueError(f"policies: expected a list or a table of policies, got {policies!r}; write [{policies!r}]")
    named: dict[str, Any] = {}
    for given in policies:
        text = str(given) if isinstance(given, str | Path) else name_of(given)
        label, found, source = text.partition("=")
        if not found or Path(text).exists():
            label, source = text, given
        if label in named or (label == "idle" and source != "idle"):
            other = named.get(label, "the floor")
            raise ValueError(f"policies: two are named {label!r}, {other} and {source}; expected one name each")
        named[label] = source
    return named


def _joined(parts: list[dict[str, NDArray[np.float64]]]) -> dict[str, NDArray[np.float64]]:
    return {name: np.concatenate([p[name] for p in parts]) for name in parts[0]}


def _refuse_above_bound(
    name: str, seeds: tuple[int, ...], scored: NDArray[np.float64], bound: NDArray[np.float64],
    rounding: NDArray[np.float64],
) -> None:  # fmt: skip
    """A policy that beats the bound by more than rounding can do is an error of ours."""
    beaten = np.flatnonzero(scored < bound - rounding)
    if len(beaten):
        rows = ", ".join(f"seed {seeds[i]}: {scored[i]:.4f} < {bound[i]:.4f}" for i in beaten[:5])
        raise AssertionError(f"{name} costs less than the optimum's lower bound ({rows}); please report it")
