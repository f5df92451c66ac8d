"""Suites: evaluations that CI holds: which policies play which episodes, what came, and what was on record.

A suite is a TOML file; beside it lies its record, the golden figures, under the same name with ``.golden.json``. Three
things are held: every interval balances; figures stay within the tolerances of the suite; and the integers of the
market (orders, trades, readings, bills) are the same ones, where processor, NumPy and BLAS are.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from gridbazaar.data.inputs import check_input, read_json, read_toml
from gridbazaar.data.tables import read_table
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenario import Scenario
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import Transition
from gridbazaar.experiments.evaluation.balances import Balances, checks_of
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.evaluation.metrics import COMMUNITY_FIGURES
from gridbazaar.experiments.evaluation.result import Evaluation
from gridbazaar.experiments.files import versions
from gridbazaar.experiments.fingerprint import fingerprint, settings_sha256
from gridbazaar.experiments.workers import Workers, each

FOLDER = Path(__file__).with_name("suites")
SOUND, MOVED, BROKEN, CHANGED, SKIPPED = "sound", "moved", "broken", "changed", "skipped"
"""A figure left its tolerance; what always holds did not; integers are other ones; not compared."""
SCHEMA = 1
_FIGURES = ("score", "savings_cur", *COMMUNITY_FIGURES)


@dataclass(frozen=True, slots=True)
class Run:
    """One evaluation of a suite."""

    scenario: str
    policies: tuple[str, ...]
    seeds: int
    settings: Mapping[str, Any]

    @property
    def name(self) -> str:
        return self.scenario + "".join(f",{key}={value}" for key, value in self.settings.items())


@dataclass(frozen=True, slots=True)
class Tolerance:
    """By how much a figure may differ: so much, and such a share of itself."""

    abs: float = 0.0
    rel: float = 0.0

    def of(self, expected: float) -> float:
        return self.abs + self.rel * abs(expected)


@dataclass(frozen=True, slots=True)
class Suite:
    """What is played, and what is held of it."""

    path: Path
    tolerances: Mapping[str, Tolerance]  # by figure; these figures are held
    runs: tuple[Run, ...]

    @property
    def golden(self) -> Path:
        return self.path.with_name(f"{self.path.stem}.golden.json")


@dataclass(frozen=True, slots=True)
class Outcome:
    """One thing that was held, and what came of it."""

    run: str
    policy: str
    what: str  # a figure, "balances" or "integers"
    verdict: str
    text: str = ""  # why, where it is not sound


@dataclass(frozen=True, slots=True)
class Ran:
    """A suite that was played."""

    suite: Suite
    evaluations: dict[str, Evaluation]  # by run; without those in which something broke
    integers: dict[str, dict[str, str]]  # by run and policy, the hash of what happened
    outcomes: tuple[Outcome, ...]
    seconds: dict[str, float]  # by run

    def verdicts(self, verdict: str) -> list[Outcome]:
        """Give what ended so."""
        return [outcome for outcome in self.outcomes if outcome.verdict == verdict]

    def to_json(self) -> dict[str, Any]:
        """All outcomes and all figures."""
        return {
            "schema": SCHEMA,
            "suite": str(self.suite.path.name),
            "versions": versions(),
            "fingerprint": fingerprint(),
            "seconds": self.seconds,
            "outcomes": [asdict(outcome) for outcome in self.outcomes],
            "evaluations": {name: found.to_json() for name, found in self.evaluations.items()},
        }

    def to_golden(self, command: str) -> dict[str, Any]:
        """Give the record that the suite is held to from now on."""
        return {
            "schema": SCHEMA,
            "command": command,
            "versions": {name: of for name, of in versions().items() if name not in ("platform", "machine")},
            "fingerprint": fingerprint(),
            "runs": {
                name: _identity(found.scenario, found.seeds)
                | {
                    "policies": {
                        row["policy"]: {figure: row[figure]["mean"] for figure in self.suite.tolerances}
                        | {"integers_sha256": self.integers[name][row["policy"]]}
                        for row in found.rows()
                    }
                }
                for name, found in self.evaluations.items()
            },
        }


def list_suites() -> list[str]:
    """Name the suites that come with the package."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def read_suite(name: str) -> Suite:
    """Read a suite by its name or from a TOML file.

    Raises:
        ValueError: there is none, or a part of it is not what it should be.
    """
    path = FOLDER / f"{name}.toml" if name in list_suites() else check_input(name)
    if not path.is_file() or path.suffix != ".toml":
        raise ValueError(f"--suite: expected one of {', '.join(list_suites())}, or a .toml file; got {name!r}")
    held = read_toml(path)
    if unknown := sorted(set(held) - {"tolerances", "run"}):
        raise ValueError(f"{path}: unknown {', '.join(unknown)}; expected [tolerances] and [[run]]")
    tolerances, runs = held.get("tolerances"), held.get("run")
    if not isinstance(tolerances, dict) or not tolerances or not isinstance(runs, list):
        raise ValueError(f"{path}: expected a table [tolerances] with a line a figure, and tables [[run]]")
    if wrong := [figure for figure in tolerances if figure not in _FIGURES]:
        raise ValueError(f"{path}: tolerances: expected some of {', '.join(_FIGURES)}; got {', '.join(wrong)}")
    allowed = {figure: read_table(Tolerance, table, f"tolerances.{figure}") for figure, table in tolerances.items()}
    found = tuple(_run_of(path, i, table) for i, table in enumerate(runs))
    names = [run.name for run in found]
    if len(set(names)) < len(names):
        raise ValueError(f"{path}: run: expected each scenario once in the same settings, got {', '.join(names)}")
    return Suite(path, allowed, found)


def _run_of(path: Path, i: int, table: Any) -> Run:
    where = f"{path}: run[{i}]"
    if not isinstance(table, dict) or (unknown := set(table) - {"scenario", "policies", "seeds", "settings"}):
        raise ValueError(f"{where}: expected scenario, policies, seeds and perhaps settings; got {table}")
    del unknown
    policies, seeds, settings = table.get("policies"), table.get("seeds"), table.get("settings", {})
    if not isinstance(table.get("scenario"), str):
        raise ValueError(f"{where}: scenario: expected a name, got {table.get('scenario')!r}")
    if not (isinstance(policies, list) and policies and all(isinstance(p, str) for p in policies)):
        raise ValueError(f"{where}: policies: expected names, got {policies!r}")
    if type(seeds) is not int or not 1 <= seeds <= 100_000:
        raise ValueError(f"{where}: seeds: expected a number of at least 1, got {seeds!r}")
    if not isinstance(settings, dict):
        raise ValueError(f"{where}: settings: expected a table, got {settings!r}")
    return Run(table["scenario"], tuple(policies), seeds, settings)


def run_suite(
    suite: Suite, golden: Mapping[str, Any] | None, *, workers: Workers | None = None,
    tick: Callable[[str, str, int, int], None] | None = None,
) -> Ran:  # fmt: skip
    """Play a suite and hold it to its record.

    Args:
        suite: what is played.
        golden: the record, see ``read_record``; none: only balances are held.
        workers: who plays, a run each; none: this process.
        tick: called with (run, policy, intervals done, intervals in all); of workers only as a run is done.
    """
    if workers is None:
        done = [_play(_Part(suite, run, golden), None if tick is None else _told(tick, run.name)) for run in suite.runs]
    else:
        told = (lambda i: None) if tick is None else (lambda i: tick(suite.runs[i].name, "played", 1, 1))
        done = each(_play, [_Part(suite, run, golden) for run in suite.runs], workers, told)
    played = {run.name: one for run, one in zip(suite.runs, done, strict=True)}
    return Ran(
        suite, {name: one.found for name, one in played.items() if one.found is not None},
        {name: one.integers for name, one in played.items() if one.found is not None},
        tuple(outcome for one in played.values() for outcome in one.outcomes),
        {name: one.seconds for name, one in played.items()},
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Part:
    suite: Suite
    run: Run
    golden: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class _Done:
    found: Evaluation | None  # none: something broke
    integers: dict[str, str]
    outcomes: list[Outcome]
    seconds: float


def _play(part: _Part, tick: Callable[[str, int, int], None] | None = None) -> _Done:
    """Play one run of a suite and hold it to its record."""
    run, watch, begun_s = part.run, _Watch(), time.monotonic()
    try:
        scenario = load_scenario(run.scenario, **run.settings)
        found = evaluate(scenario, run.policies, seeds=run.seeds, record=watch.add, tick=tick)
    except AssertionError as error:  # of ours: a policy cheaper than the bound
        broken = Outcome(run.name, "", "balances", BROKEN, str(error) or "what always holds did not")
        return _Done(None, {}, [broken], time.monotonic() - begun_s)
    hashes, outcomes = watch.hashes(), watch.outcomes(run.name)
    if part.golden is not None:
        outcomes += _compared(part.suite, run.name, found, hashes, part.golden)
    return _Done(found, hashes, outcomes, time.monotonic() - begun_s)


def _told(tick: Callable[[str, str, int, int], None], run: str) -> Callable[[str, int, int], None]:
    return lambda policy, done, total: tick(run, policy, done, total)


class _Watch:
    """Sees every interval of an evaluation: whether it balances, and the hash of its integers, by policy."""

    def __init__(self) -> None:
        self._balances: dict[str, dict[int, Balances]] = {}
        self._hashes: dict[str, Any] = {}

    def add(self, policy: str, core: Core, happened: Transition) -> None:
        of_policy = self._balances.setdefault(policy, {})
        of_policy.setdefault(id(core), Balances(core)).add(happened)
        digest = self._hashes.setdefault(policy, hashlib.sha256())
        orders, clearing = happened.market.orders, happened.market.clearing
        for x in (
            orders.energy_ukwh, orders.limit_ucur_per_kwh, clearing.traded_ukwh, clearing.outside_ukwh,
            clearing.pay_ucur, clearing.price_ucur_per_kwh, happened.delivery.metered_ukwh, happened.money.bill.ucur,
        ):  # fmt: skip
            digest.update(np.ascontiguousarray(x, np.int64).tobytes())

    def hashes(self) -> dict[str, str]:
        return {policy: digest.hexdigest() for policy, digest in self._hashes.items()}

    def outcomes(self, run: str) -> list[Outcome]:
        made = []
        for policy, watched in self._balances.items():
            off = [f"{c.name}: off by {c.largest:g} {c.unit}" for c in checks_of(watched.values()) if not c.holds]
            made.append(Outcome(run, policy, "balances", BROKEN if off else SOUND, "; ".join(off)))
        return made


def _identity(scenario: Scenario, seeds: tuple[int, ...]) -> dict[str, Any]:
    return {"settings_sha256": settings_sha256(scenario), "split": "test", "seeds": len(seeds)}


def read_record(suite: Suite, path: Path) -> dict[str, Any]:
    """Read the record of a suite; nothing has to be played to see that it is of another one.

    Raises:
        ValueError: it is none, or of other runs, settings, seeds, policies or figures.
    """
    held, again = read_json(path), "record it anew with --update-golden"
    runs = held.get("runs")
    if held.get("schema") != SCHEMA or not isinstance(runs, dict) or not isinstance(held.get("fingerprint"), dict):
        raise ValueError(f"{path}: expected a record of gridbazaar evaluate --suite ... --update-golden; {again}")
    names = [run.name for run in suite.runs]
    if set(runs) != set(names):
        raise ValueError(f"{path}: recorded {', '.join(runs)}, the suite has {', '.join(names)}; {again}")
    for run in suite.runs:
        recorded, now = runs[run.name], _identity(load_scenario(run.scenario, **run.settings), tuple(range(run.seeds)))
        if other := [key for key, value in now.items() if recorded.get(key) != value]:
            told = ", ".join(f"{key} {recorded.get(key)} (now {now[key]})" for key in other)
            raise ValueError(f"{path}: {run.name}: recorded with {told}; {again}")
        wanted, rows = {"idle", *run.policies}, recorded.get("policies")
        if not isinstance(rows, dict) or set(rows) != wanted:
            raise ValueError(f"{path}: {run.name}: expected the policies {', '.join(sorted(wanted))}; {again}")
        for policy, row in rows.items():
            if not isinstance(row, dict) or not {*suite.tolerances, "integers_sha256"} <= set(row):
                raise ValueError(f"{path}: {run.name}: {policy} lacks a figure of the suite; {again}")
    return held


def _compared(
    suite: Suite, run: str, found: Evaluation, hashes: Mapping[str, str], golden: Mapping[str, Any]
) -> list[Outcome]:
    here, there = fingerprint(), golden["fingerprint"]
    other = [f"{name} {there.get(name)!r} (here {here[name]!r})" for name in here if here[name] != there.get(name)]
    made = []
    for row in found.rows():
        policy, expected = row["policy"], golden["runs"][run]["policies"][row["policy"]]
        for figure, tolerance in suite.tolerances.items():
            made.append(_held(run, policy, figure, row[figure]["mean"], expected[figure], tolerance))
        if other:
            verdict, text = SKIPPED, f"recorded with {', '.join(other)}"
        elif hashes[policy] != expected["integers_sha256"]:
            verdict, text = CHANGED, f"expected {expected['integers_sha256'][:16]}, came {hashes[policy][:16]}"
        else:
            verdict, text = SOUND, ""
        made.append(Outcome(run, policy, "integers", verdict, text))
    return made


def _held(run: str, policy: str, figure: str, came: float, expected: float | None, tolerance: Tolerance) -> Outcome:
    wanted = float("nan") if expected is None else float(expected)  # how JSON says that there is none
    if (np.isnan(came) and np.isnan(wanted)) or abs(came - wanted) <= tolerance.of(wanted):
        return Outcome(run, policy, figure, SOUND)
    text = f"expected {wanted:.10g} +- {tolerance.of(wanted):.3g}, came {came:.10g}"
    return Outcome(run, policy, figure, MOVED, text)
