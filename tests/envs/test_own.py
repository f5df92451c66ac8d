"""What a scenario may take from outside: files that are named, objects that are given, and what is refused of them."""

from __future__ import annotations

import json
import pickle
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.data.feeders import load_feeder
from gridbazaar.envs.contract import check_kind, check_policy
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario, scenario_of
from gridbazaar.envs.state import Happened
from gridbazaar.experiments.describe import tariff_toml
from gridbazaar.experiments.evaluation.evaluate import evaluate
from gridbazaar.experiments.files import to_json
from gridbazaar.market.mechanisms import check_mechanism
from gridbazaar.market.mechanisms.posted_price import posted_price
from gridbazaar.market.orders import Clearing, Orders, Setting
from gridbazaar.market.tariffs import load_tariff

PUMP = Path(__file__).parents[2] / "docs" / "kinds" / "pool_pump.py"
RULE = """
from gridbazaar.market.mechanisms.posted_price import posted_price
STAGE = "ex_ante"
PROMISES = frozenset({"balanced", "no_deficit"})

def rule(orders, setting):
    return posted_price(orders, setting, price_cur_per_kwh=0.2)
"""


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text, encoding="utf-8")
    return folder / name


def drawn(happened: Happened) -> Any:
    return -happened.delivery.metered_ukwh / 1e6


def step_of(core: Core) -> Any:
    return core.step(core.reset(0), np.zeros((core.n_envs, core.n_agents, core.n_actions)))[1]


@pytest.mark.parametrize(
    "named", ['mechanism = "rule.py"', '[kinds]\nfan = "fan.py"', '[reward]\nfunction = "wish.py:f"']
)
def test_a_file_that_names_code_is_refused_unless_that_is_allowed(named: str, tmp_path: Path) -> None:
    for name in ("rule.py", "fan.py", "wish.py"):
        write(tmp_path, name, "raise SystemExit('the code was run')")
    file = write(tmp_path, "mine.toml", f"hours = 6.0\n{named}\n[prosumer]\ncount = 2\n")
    with pytest.raises(ValueError, match=r"mine\.toml: .* names code, .*\.py, .*--allow-code.*--set"):
        load_scenario(file)
    values = json.loads(to_json(asdict(load_scenario("street"))))
    values["mechanism"] = f"{tmp_path / 'rule.py'}"
    with pytest.raises(ValueError, match=r"mechanism names code"):
        scenario_of(values)


def test_names_in_a_file_count_from_its_folder_and_those_of_the_caller_from_theirs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    write(tmp_path / "there", "rule.py", RULE)
    write(tmp_path / "there", "own.toml", 'title = "there"\n')
    write(tmp_path, "own.toml", 'title = "here"\n')
    file = write(tmp_path / "there", "mine.toml", 'mechanism = "rule.py"\ntariff = "own.toml"\n[prosumer]\ncount = 2\n')
    monkeypatch.chdir(tmp_path)
    there = load_scenario(file, allow_code=True)
    assert load_tariff(there.tariff).title == "there"
    assert there.mechanism.startswith(f"{tmp_path}/there/rule.py#sha256=")
    assert load_tariff(load_scenario(file, allow_code=True, tariff="own.toml").tariff).title == "here"
    again = scenario_of(json.loads(to_json(asdict(there))), allow_code=True)
    assert again == there


def test_tariffs_and_feeders_may_be_objects_and_are_written_whole() -> None:
    given = load_scenario("street", tariff=load_tariff("tou"), feeder=load_feeder("street"))
    again = scenario_of(json.loads(to_json(asdict(given))))
    one, two, named = (step_of(Core(s)) for s in (given, again, load_scenario("street")))
    assert (one.money.bill.ucur == named.money.bill.ucur).all()
    assert (two.money.bill.ucur == named.money.bill.ucur).all()


def test_a_tariff_written_as_toml_is_the_same(tmp_path: Path) -> None:
    file = write(tmp_path, "tou.toml", tariff_toml(load_tariff("tou")))
    assert load_tariff(file) == load_tariff("tou")


@pytest.mark.parametrize("given", [{"pool_pump": str(PUMP)}, [PUMP]])
def test_a_kind_of_ones_own_plays(given: Any) -> None:
    scenario = load_scenario("street", kinds=given, **{"pool_pump.count": 2})
    assert scenario.agent_names[-2:] == ("pool_pump_0", "pool_pump_1")
    core = pickle.loads(pickle.dumps(Core(scenario, 2)))
    assert step_of(core).reward.shape == (2, core.n_agents)


def test_a_kind_may_not_be_called_like_a_field() -> None:
    with pytest.raises(ValueError, match="kinds: data is a field of a scenario"):
        load_scenario("street", kinds={"data": str(PUMP)})


def test_a_reward_of_ones_own_takes_the_place_of_the_scenarios() -> None:
    own, usual = step_of(Core(load_scenario("street", reward=drawn), 2)), step_of(Core("street", 2))
    np.testing.assert_array_equal(own.reward, -usual.delivery.metered_ukwh / 1e6)
    np.testing.assert_array_equal(own.reward_parts, usual.reward_parts)
    seen: list[Any] = []

    def watch(happened: Happened) -> Any:
        seen.append(happened)
        return drawn(happened)

    step_of(Core(load_scenario("street", reward=watch)))
    assert type(seen[0]) is Happened, "what happened, without the reward"


def not_finite(happened: Happened) -> Any:
    reward = 0.0 * happened.shed_kwh
    reward[1, 2] = np.nan
    return reward


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (
            not_finite,
            r"reward 'not_finite' \(.*test_own\.py\): .*got nan for agent .*_. in environment 1 at",
        ),
        (lambda happened: 1.0, r"expected an array \[n_envs, n_agents\] = \[2, 6\], got float"),
        (lambda happened: happened.t, r"= \[2, 6\], got shape \[2\]"),
    ],
)
def test_a_wrong_reward_is_refused_with_agent_and_environment(function: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        step_of(Core(load_scenario("street", reward=function), 2))


class Half:
    needs_forecasts = False
    needs_foresight = False

    def __init__(self, shape: tuple[int, ...] = (2,), value: float = 0.5) -> None:
        self.shape, self.value = shape, value

    def start(self, community: Any, rng: Any, episode: Any = None) -> Any:
        return rng

    def act(self, observation: Any, memory: Any) -> Any:
        return np.full((*observation.mask.shape, *self.shape), self.value), memory


class Unsteady(Half):
    calls = 0

    def act(self, observation: Any, memory: Any) -> Any:
        self.calls += 1
        return np.full((*observation.mask.shape, 2), 1 / self.calls), memory


@pytest.mark.parametrize(
    ("policy", "why"),
    [
        (Half(()), r"policy 'Half' \(.*test_own\.py\): act gives shape \[2, 6\], expected an array \[n_envs, n_agents"),
        (Half((5,)), r"act gives shape \[2, 6, 5\]"),
        (Half(value=1.5), r"act gives \[1\.5, 1\.5\] for prosumer_0, expected numbers in \[-1, 1\]"),
        (Half(value=np.nan), r"act gives \[nan, nan\] for prosumer_0"),
        (Unsteady(), r"acts otherwise when it plays the same episode again"),
        (5, r"expected one of .*, a path .*, or an object with start and act; got 5"),
    ],
)  # fmt: skip
def test_a_wrong_policy_is_refused_with_what_is_wrong(policy: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_policy(policy, steps=2)
    with pytest.raises(ValueError, match=why):
        evaluate("street", {"mine": policy}, seeds=1)


def test_a_right_policy_passes_and_is_given_back() -> None:
    policy = Half()
    assert check_policy(policy, steps=2) is policy


def fair(orders: Orders, setting: Setting) -> Clearing:
    return posted_price(orders, setting, price_cur_per_kwh=0.2)


def of(function: Any, **says: Any) -> Any:
    def rule(orders: Orders, setting: Setting) -> Any:
        return function(orders, setting)

    vars(rule).update({"STAGE": "ex_ante", "PROMISES": frozenset()} | says)
    return rule


def changed(**fields: Any) -> Any:
    from dataclasses import replace

    return of(lambda o, s: replace(found := fair(o, s), **{k: f(found, o) for k, f in fields.items()}))


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        (fair, r"mechanism 'fair' \(.*test_own\.py\): lacks STAGE"),
        (of(fair, PROMISES={"cheap"}), "PROMISES has cheap, expected some of limits"),
        (of(fair, PROMISES={"balanced"}), "balanced without no_deficit"),
        (of(lambda o, s: None), "gives a NoneType, expected a Clearing"),
        (of(lambda o, s: 1 / 0), "fails on a book beside a retailer, ZeroDivisionError"),
        (changed(pay_ucur=lambda c, o: c.pay_ucur + 1), "surplus_ucur is not the sum of pay_ucur"),
        (changed(traded_ukwh=lambda c, o: -c.traded_ukwh), "traded_ukwh has another sign than the order"),
        (changed(traded_ukwh=lambda c, o: abs(c.traded_ukwh)), "traded_ukwh does not sum to zero"),
        (changed(price_ucur_per_kwh=lambda c, o: c.price_ucur_per_kwh * 1.0), r"price.* is float64 \[40, 14\]"),
        (changed(low_ucur_per_kwh=lambda c, o: c.low_ucur_per_kwh + len(o.energy_ukwh)), "depends on the other books"),
        (
            changed(price_ucur_per_kwh=lambda c, o: c.price_ucur_per_kwh + np.arange(14)),
            "price_ucur_per_kwh depends on the order in which orders stand",
        ),
    ],
)  # fmt: skip
def test_a_wrong_mechanism_is_refused_with_what_is_wrong(rule: Any, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_mechanism(rule)
    with pytest.raises(ValueError, match=why):
        load_scenario("street", mechanism=rule)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("KIND = Kind(", "KINDS = Kind(", r"expected KIND = Kind\(\.\.\.\) at the end of .*pump\.py"),
        ("view, move, program, ", "view, move, ", r"pump\.py: cannot be loaded, TypeError: .*missing .*'program'"),
        ("return Params(draw", "return Parms(draw", "cannot be played, NameError"),
        ('draw.kept("pool_pump_kw", ', "abs(", "draw: does not take pool_pump_kw of lasting"),
        ("zero(meters.device_kw", "zero(3 * meters.device_kw", "move: moves more than view says"),
        ("device_kw * step_h)", "device_kw * step_h) + 5", "move: something flexible moves while the action is 0"),
    ],
)
def test_a_wrong_kind_is_refused_with_what_is_wrong(old: str, new: str, why: str, tmp_path: Path) -> None:
    text = PUMP.read_text(encoding="utf-8")
    assert old in text
    file = write(tmp_path, "pump.py", text.replace(old, new))
    with pytest.raises(ValueError, match=why):
        check_kind(file)
