"""Bills of played episodes, billed again from meters and local trades by the independent biller."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gridbazaar.agents.policies import load_policy
from gridbazaar.data.units import MICRO, energy_cost_ucur
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import list_scenarios, load_scenario
from gridbazaar.envs.state import State, Transition
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.market.mechanisms import list_mechanisms
from tests.biller import Row, bill_cur, congestion_cur
from tests.quick import only

TARIFFS = Path(__file__).parents[3] / "market" / "tariffs"
N_INTERVALS = 200
ROUNDING_CUR = 4e-6  # a line has at most three products; a rent has one, and a rebate

LONE_HOME: dict[str, Any] = {
    "prosumer.count": 1, "ev.count": 0, "battery.count": 0, "vpp.count": 0, "prosumer.pv_share": 0.0,
    "prosumer.battery_share": 0.0, "tariff": "flat",
}  # fmt: skip
MADE_UP: dict[str, dict[str, float]] = {
    "feed_in_at_retail": {"export_cur_per_kwh": 0.30},
    "feed_in_above_retail": {"export_cur_per_kwh": 0.40},
    "no_charges": {"network_cur_per_kwh": 0.0, "tax_cur_per_kwh": 0.0, "local_network_cur_per_kwh": 0.0},
    "local_tax": {"local_network_cur_per_kwh": 0.04, "local_tax_cur_per_kwh": 0.03},
    "sold_at_spot": {"export_cur_per_kwh": 0.0, "export_spot_factor": 1.0},
}
"""Changes to ``flat``."""


def played(scenario: str, policy: str, seeds: range, split: str, **overrides: Any) -> tuple[Core, Any]:
    core = Core(load_scenario(scenario, **overrides), len(seeds))
    return core, play(core, load_policy(policy), seeds, split=split, keep=True)


def total_cur(scenario: str, seeds: range, **overrides: Any) -> tuple[Any, Any]:
    """Bills [n_seeds] of all agents together, and the meters [n_seeds, n_steps, n_agents] in kWh, of idle days."""
    core, found = played(scenario, "idle", seeds, "test", **overrides)
    bills = sum(h.money.bill.ucur[:, :, : core.n_agents].sum(axis=(1, 2)) for h in found.transitions) / MICRO
    return bills, np.stack([h.delivery.metered_ukwh for h in found.transitions], axis=1) / MICRO


def test_a_lone_home_pays_its_tariff_on_what_its_meter_shows() -> None:
    """No sun, no battery: 9.0376 kWh at 0.30 and 0.30 for the day would be 3.0113; forecast errors are not its debt."""
    bill, metered = total_cur("street", range(4), **LONE_HOME)
    assert metered.shape[2] == 1
    assert bill == pytest.approx(0.30 * metered.sum(axis=(1, 2)) + 0.30, abs=3 * 0.5 * 96 / MICRO)


def test_an_auction_that_knows_what_flows_bills_what_the_mid_market_rate_does() -> None:
    """Same flows, same bills of the village: 39.60 a day on average, however the price is made."""
    auction, flows = total_cur("village", range(4), tariff="flat", forecast="perfect", constraint="none")
    rate, same = total_cur("village", range(4), tariff="flat", mechanism="mid_market_rate", constraint="none")
    assert np.abs(flows - same).max() <= 2 / MICRO
    assert auction == pytest.approx(rate, abs=0.01)


def test_what_an_auction_bills_beyond_the_mid_market_rate_is_local_trade_that_did_not_flow() -> None:
    """A forecast error costs a home nothing but the local trades that it missed: 6.25 a day in the village before."""
    core, found = played("village", "idle", range(4), "test", tariff="flat", constraint="none")
    rate, _ = total_cur("village", range(4), tariff="flat", mechanism="mid_market_rate", constraint="none")
    auction, missed = np.zeros(4), np.zeros(4)
    for happened in found.transitions:
        n = core.n_agents
        auction += happened.money.bill.ucur[:, :, :n].sum(axis=(1, 2)) / MICRO
        traded = happened.market.clearing.traded_ukwh
        local, metered = traded[:, :n] + traded[:, n:], happened.delivery.metered_ukwh
        net = metered - local
        flowed = np.minimum(np.maximum(metered, 0).sum(1), np.maximum(-metered, 0).sum(1))
        # What the retailer both delivers and takes bears 0.30 - 0.08; local kWh bear 0.02.
        crossed = np.minimum(np.maximum(net, 0).sum(1), np.maximum(-net, 0).sum(1))
        missed += (crossed * 0.22 + (np.maximum(local, 0).sum(1) - flowed) * 0.02) / MICRO
    assert auction - rate == pytest.approx(missed, abs=0.01)
    assert (missed > 0.1).all()


def written(tariff: str, **options: float) -> dict[str, Any]:
    """The table of a tariff, as it is written."""
    return tomllib.loads((TARIFFS / f"{tariff}.toml").read_text()) | options


def rebilled(
    core: Core, before: State, happened: Transition, table: dict[str, Any], env: int
) -> list[dict[str, float]]:
    """Bill all agents of one interval again."""
    bank, n, step = core.world.bank, core.n_agents, int(before.episode.start[env] + before.t[env])
    hour, weekday, spot = (float(x[step]) for x in (bank.hour(), bank.weekday(), bank.spot_cur_per_kwh))
    event = None if before.episode.calls is None else before.episode.calls.extra_ucur_per_kwh
    extra = 0.0 if event is None else event[env, int(before.t[env])] / MICRO
    table = table | {"energy_cur_per_kwh": table["energy_cur_per_kwh"] + extra}
    clearing, delivery = happened.market.clearing, happened.delivery
    local, outside, paid = (
        (x[env, :n] + x[env, n:]) / MICRO for x in (clearing.traded_ukwh, clearing.outside_ukwh, clearing.pay_ucur)
    )
    withheld = delivery.curtailed_ukwh[env] - (0 if delivery.activated_ukwh is None else delivery.activated_ukwh[env])
    lines = []
    for i in range(n):
        scheduled = float(outside[i]) if core.world.is_brp[i] else None
        row = Row(
            delivery.metered_ukwh[env, i] / MICRO, float(local[i]), float(paid[i]), withheld[i] / MICRO, scheduled,
            hour, int(weekday), spot,
        )  # fmt: skip
        lines.append({line: float(owed) for line, owed in bill_cur(table, [row]).items()})
    if happened.market.setting.wires is None:
        net = (delivery.metered_ukwh[env] - withheld) / MICRO - local
        for owed, congestion in zip(lines, congestion_of(core, happened, env, net.tolist()), strict=True):
            owed["congestion"] = congestion
    return lines


def congestion_of(core: Core, happened: Transition, env: int, net_kwh: list[float]) -> list[float]:
    """The connection's line; the market's own stock is one more who uses it, without a connection."""
    setting, pool = happened.market.setting, happened.market.clearing.pool_ukwh
    assert setting.import_cap_ukwh is not None
    assert setting.export_cap_ukwh is not None
    is_island = setting.is_island is not None and bool(setting.is_island[env])
    stock = 0.0 if pool is None or is_island else float(pool[env]) / MICRO
    caps = float(setting.import_cap_ukwh[env]) / MICRO, float(setting.export_cap_ukwh[env]) / MICRO
    scarcity = 0.0 if is_island else core.scenario.connection.scarcity_cur_per_kwh
    rent = float(happened.market.clearing.rent_ucur_per_kwh[env]) / MICRO
    owed = congestion_cur([*net_kwh, stock], [*core.world.connections.tolist(), 0], caps, scarcity, rent)
    return owed[:-1]


def check_again(scenario: str, table: dict[str, Any], **overrides: Any) -> set[str]:
    """Bill 200 random intervals again; give the lines on which anything was owed."""
    core, found = played(scenario, "random", range(4), "train", **overrides)
    rng, seen = np.random.default_rng(3), set[str]()
    for t, env in zip(rng.integers(0, core.n_steps, N_INTERVALS), rng.integers(0, 4, N_INTERVALS), strict=True):
        happened = found.transitions[t]
        again = rebilled(core, found.states[t], happened, table, int(env))
        for line in again[0]:
            if line == "fixed" or (line == "imbalance" and happened.market.setting.wires is not None):
                continue
            had = happened.money.bill.line(line)[env, : core.n_agents] / MICRO
            off = np.abs(had - np.array([owed[line] for owed in again]))
            moved = np.abs(happened.delivery.metered_ukwh[env]) + np.abs(happened.delivery.curtailed_ukwh[env])
            assert (off <= ROUNDING_CUR + 1e-6 * moved / MICRO).all(), (line, had, off)  # prices are whole micro-units
            seen |= {line} if had.any() else set()
    return seen


def test_rounding_favours_no_side_of_a_year() -> None:
    """35,040 quarter hours at random: cut down, importers paid 0.0175 less and exporters got 0.0176 more a line."""
    rng = np.random.default_rng(5)
    energy, price = rng.integers(1, 2_000_000, 35_040), rng.integers(1, 400_000, 35_040)
    exact = sum(int(e) * int(p) for e, p in zip(energy, price, strict=True)) / MICRO
    for sign in (1, -1):
        assert abs(int(energy_cost_ucur(sign * energy, price).sum()) - sign * exact) < 300  # 54 is one deviation
    assert (energy_cost_ucur(-energy, price) == -energy_cost_ucur(energy, price)).all()


def test_an_episode_pays_its_rents_to_the_micro_unit_and_what_is_paid_is_received() -> None:
    """A share of each interval's rent was cut off, a thousandth of it in all."""
    core, found = played("village", "idle", range(3), "train")
    shared = sum(h.money.bill.line("share")[:, : core.n_agents] for h in found.transitions)
    vpps = core.scenario.kind_slices["vpp"]
    kind, params = core.world.kinds[-1], found.states[0].episode.params[-1]
    assert kind.rent_cur_per_day is not None
    due = np.rint(kind.rent_cur_per_day(params) * MICRO).reshape(3, vpps.stop - vpps.start, -1).sum(2)
    assert (due > 0).all()
    np.testing.assert_array_equal(shared[:, vpps], due)
    assert not shared.sum(axis=1).any()
    assert all(not h.money.bill.line("share").sum(axis=1).any() for h in found.transitions)


@pytest.mark.parametrize("scenario", only(("village", "winter"), list_scenarios()))
def test_the_biller_agrees_in_every_scenario(scenario: str) -> None:
    config = load_scenario(scenario)
    assert {"retail", "network", "tax"} <= check_again(scenario, written(config.tariff, **config.tariff_options))


@pytest.mark.parametrize("mechanism", only(("pay_as_bid", "bill_sharing", "nodal"), list_mechanisms()))
def test_the_biller_agrees_under_every_mechanism(mechanism: str) -> None:
    """With a connection that is often full, and under rules of auctions parties that deviate."""
    seen = check_again("street", written("tou"), mechanism=mechanism, **{"connection.import_over_load": [1.0, 2.0]})
    assert {"retail", "network", "congestion"} <= seen


@pytest.mark.parametrize("tariff", ["flat", "spot", "tou"])
def test_the_biller_agrees_under_every_tariff(tariff: str) -> None:
    assert {"market", "retail", "network", "tax"} <= check_again("street", written(tariff), tariff=tariff)


@pytest.mark.parametrize("name", MADE_UP)
def test_the_biller_agrees_under_tariffs_of_ones_own(name: str) -> None:
    options = MADE_UP[name]
    assert "retail" in check_again("street", written("flat", **options), tariff="flat", tariff_options=options)
