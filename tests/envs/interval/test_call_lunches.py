"""Whoever answers calls earns from them no more than the energy that it really shifted is worth.

A search plays some hundred ways to cheat, many at random, on the same short calls. What each may earn at most is told
by meters, trades and the terms of the call alone: no number of the code that pays is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import Transition
from gridbazaar.market.settlement.settle import LINES

N = 200  # rows, and two VPPs in each: 400 candidates a case
POWER, EAGERNESS, CAPACITY, PRICE, LEAN = range(5)
RETAIL, FEED_IN, CAP, READY = 0.44, 0.08, 0.70, 0.01  # retail with charges
PENALTY, TOLERANCE = 1.5, 0.1
ROUNDING_CUR = 2e-4

Figures = NDArray[np.float64]

CALLS: dict[str, Any] = {
    "start_h": 13.5, "duration_h": 1.0, "notice_min": 30, "need_kw": 200.0, "least_kw": 0.0, "outside_kw": 0.0,
    "level": 0.8, "price_cur_per_kwh": CAP, "availability_cur_per_kwh": READY, "member_share": 0.0,
}  # fmt: skip
PLAIN: dict[str, Any] = {
    "hours": 4.0, "constraint": "none", "mechanism": "uniform_price", "tariff": "flat",
    "tariff_options": {"energy_cur_per_kwh": RETAIL - 0.14, "export_cur_per_kwh": FEED_IN}, "prosumer": {"count": 4},
    "ev": {"count": 0}, "connection": {"import_over_load": 1000.0},
}  # fmt: skip
VPP = {"devices": 4, "start_frac": (0.2, 0.9), "rent_cur_per_kwh_day": 0.0}
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}, {}),
    "merit": ({}, {}, {"split": "merit"}),
    "weights": ({}, {}, {"split": "weights"}),
    "back to back": ({}, {"per_day": 6, "start_h": (12.5, 15.5), "duration_h": (0.25, 0.5), "notice_min": 15}, {}),
    "one is enough": ({}, {"need_kw": 3.0}, {}),
    "below rounding": ({}, {"need_kw": 2e-5}, {}),
    "broken devices": ({}, {}, {"failure": {"mtbf_h": 3.0, "mttr_h": 100.0}}),
    "full wires": (
        {"constraint": "curtail", "storage": {"share_of_load": 20.0}}, {"need_kw": 9e3}, {"duration_h": 0.5},
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Played:
    """What meters, trades and bills of the VPPs say, [n_intervals, n_candidates] each; kWh and currency."""

    metered: Figures
    filled: Figures  # > 0 bought
    withheld: Figures  # by the wires in all, of what was to be injected
    called: Figures  # award x level
    award: Figures
    call: NDArray[np.int64]  # [n_intervals] number of the call that runs or comes next
    asked: Figures  # for a called kWh, when the offers of that call closed
    from_calls: Figures  # earned on the lines of calls, of which stakes come back
    earned: Figures  # on all lines


def core_of(case: str) -> Core:
    fixed, call, vpp = CASES[case]
    return Core(load_scenario("vpp_call", **(PLAIN | fixed), call=CALLS | call, vpp=VPP | vpp), N)


def tricks(core: Core, rng: np.random.Generator) -> Figures:
    """[n_intervals, n_rows, n_agents, n_actions]: each VPP has tricks of its own, and keeps to them for a while.

    Before, during and after the offers close it buys, sells or rests, all or a little; it asks nothing, all or
    something; it offers all or a part; of what is called it withholds nothing, a trace, the tolerance, a third or all.
    """
    n_t, shape = core.n_steps, (N, core.n_agents)
    action = np.zeros((n_t, *shape, core.n_actions))
    for t in range(n_t):
        power = rng.choice([-1.0, 1.0, 0.0, 0.01, -0.01, np.nan], shape)
        fresh = np.where(np.isnan(power), rng.uniform(-1, 1, shape), power)
        action[t, ..., POWER] = np.where((rng.random(shape) < 0.3) | (t == 0), fresh, action[t - 1, ..., POWER])
        withheld = rng.choice([0.0, -1e-6, -0.05, -0.1, -0.101, -0.33, -1.0], shape)
        offered = rng.choice([1.0, 1.0, 0.5, 1e-6], shape)
        action[t, ..., CAPACITY] = np.where(rng.random(shape) < 0.5, withheld, offered)
    action[..., EAGERNESS] = rng.choice([0.4, 1.0, 0.0, -0.4], shape)
    action[..., PRICE] = rng.choice([-1.0, 1.0, 0.0, -0.999], shape)
    action[: n_t // 2, :, :, CAPACITY] = np.abs(action[: n_t // 2, :, :, CAPACITY])
    action[:, 0, :, CAPACITY] = np.where(np.arange(n_t) < n_t // 3, 1.0, -1.0)[:, None]  # offers all, brings nothing
    action[:, 0, :, PRICE], action[:, 0, :, POWER] = -1.0, 0.0
    action[:, 1:3], action[:, 1:3, :, POWER] = action[:, :1], 1.0  # buys what it is called off
    action[:, 1:3, :, EAGERNESS], action[:, 1:3, :, CAPACITY], action[:, 2, :, PRICE] = 0.5, 1.0, 1.0
    if core.n_actions > LEAN:
        action[..., LEAN] = rng.choice([-1.0, 0.0, 1.0], shape)
    vpps = core.scenario.kind_slices["vpp"]
    action[:, :, : vpps.start], action[:, :, vpps.stop :] = 0.0, 0.0
    return action


def play(core: Core, seed: int = 0) -> Played:
    state, happened = core.reset([seed] * N), list[Transition]()
    actions = tricks(core, np.random.default_rng(seed))
    for action in actions:
        state, transition = core.step(state, action)
        happened.append(transition)
    calls, n, vpps = state.episode.calls, core.n_agents, core.scenario.kind_slices["vpp"]
    assert calls is not None
    gate = np.minimum(np.asarray(calls.gate[0])[calls.at[0, :-1]], core.n_steps - 1)
    answers = [h.money.answer for h in happened]
    award = np.array([a.award_ukwh for a in answers if a is not None])
    level = np.asarray(calls.level_ppm).T[: core.n_steps, :, None] / 1e6
    bills = np.array([h.money.bill.ucur for h in happened])[:, :, :, :n]
    of_calls = bills[:, :, [LINES.index("flexibility"), LINES.index("penalty")]].sum(2)
    filled = np.array([h.market.clearing.filled_ukwh for h in happened]).reshape(-1, N, 2, n).sum(2)

    def of_vpps(x: Any) -> Figures:
        return np.asarray(x)[:, :, vpps].reshape(core.n_steps, -1) / 1e6

    of_calls_withheld = of_vpps([a.withheld_ukwh for a in answers if a is not None])
    return Played(
        metered=of_vpps([h.delivery.metered_ukwh for h in happened]),
        filled=of_vpps(filled),
        withheld=np.maximum(of_vpps([h.delivery.curtailed_ukwh for h in happened]) + of_calls_withheld, 0.0),
        called=of_vpps(award * level), award=of_vpps(award),
        call=np.asarray(calls.at[0, :-1]),
        asked=CAP * (1 + actions[gate, :, vpps, PRICE].reshape(core.n_steps, -1)) / 2,
        from_calls=-of_vpps(of_calls), earned=-of_vpps(bills.sum(2)),
    )  # fmt: skip


def released(played: Played) -> Figures:
    """What came out of the meters beyond what was sold and not withheld, up to what was called.

    Nobody delivers by not drawing."""
    sold = np.maximum(np.maximum(-played.filled, 0) - played.withheld, 0)
    return np.clip(-played.metered - sold, 0, played.called)


@pytest.mark.parametrize("case", CASES)
def test_no_candidate_earns_more_than_what_it_shifted_is_worth(case: str) -> None:
    """A kWh injected and sold is worth the retail price at most, one injected beside that in a call the call's own.
    One drawn costs the feed-in at least. Capacity held ready is worth its price."""
    played = play(core_of(case))
    came = released(played)
    injected, drawn = np.maximum(-played.metered, 0), np.maximum(played.metered, 0)
    energy = (CAP * came + RETAIL * (injected - came) - FEED_IN * drawn).sum(0)
    ready = READY * played.award.sum(0)
    assert (played.called.sum(0) > 0).sum() > N, "most hold an award"
    assert (drawn > 0).any()
    assert (injected > played.called + 1e-3).any(), "some sell beside the call"
    assert (played.withheld > 0).any() == (case == "full wires")
    assert (played.earned.sum(0) <= energy + ready + ROUNDING_CUR).all()
    assert (played.from_calls.sum(0) <= CAP * came.sum(0) + ready + ROUNDING_CUR).all()


@pytest.mark.parametrize("case", CASES)
def test_calls_bring_what_a_plain_bill_says(case: str) -> None:
    """Call by call: the price that was asked for what came, the price of capacity for the share that came, and one and
    a half times the most that is paid, whatever was asked, for what is missing beyond a tenth. What the wires withhold
    beyond what was sold was not called."""
    played = play(core_of(case))
    cut = np.clip(played.withheld - np.maximum(-played.filled, 0), 0, played.called)
    came, called = released(played), played.called - cut
    short = np.maximum((1 - TOLERANCE) * called - came, 0)
    money = played.asked * came - PENALTY * CAP * short
    n_kept = n_broken = 0
    for call in np.unique(played.call):
        now = played.call == call
        all_called, all_came = called[now].sum(0), came[now].sum(0)
        ready = READY * played.award[now].sum(0)
        due = money[now].sum(0) + ready * np.where(all_called > 0, all_came / np.maximum(all_called, 1e-12), 1.0)
        np.testing.assert_allclose(played.from_calls[now].sum(0), due, atol=ROUNDING_CUR)
        n_kept += int(((all_came > 0.999 * all_called) & (all_called > 0)).sum())
        n_broken += int((short[now].sum(0) > 0.1 * all_called).sum())
    if case != "below rounding":
        assert n_kept > 50, "some keep their promise"
        assert n_broken > 50, "some do not"
        assert ((short > 0) & (played.asked == 0)).any(), "nor do some who ask nothing"
    if case == "full wires":
        assert (cut > 0).any()
        assert ((played.withheld > 0) & (cut == 0) & (short > 0)).any(), "some fail behind wires that withhold sales"
    assert (len(np.unique(played.call)) > 3) == (case == "back to back")


def test_who_offers_at_nothing_and_brings_nothing_loses_what_a_missing_kwh_costs_and_is_paid_no_availability() -> None:
    """Row 0 of the search, which earned availability for nothing."""
    played = play(core_of("plain"))
    called = played.called[:, :2].sum(0)
    assert (played.asked[:, :2] == 0).all()
    assert (called > 1).all()
    assert (released(played)[:, :2] == 0).all()
    np.testing.assert_allclose(played.from_calls[:, :2].sum(0), -PENALTY * CAP * 0.9 * called, atol=ROUNDING_CUR)


def test_who_bids_for_what_it_is_called_off_buys_nothing_and_releases_it_all() -> None:
    """Row 2 of the search, which bought the award while the call ran and was paid for releasing what it had bought."""
    played = play(core_of("plain"))
    called, metered, filled = (x[:, 4:6] for x in (played.called, played.metered, played.filled))
    runs = called[:, 0] > 0
    assert runs.sum() == 4
    assert (filled[~runs] > 0.1).any(), "it buys when no call runs"
    assert (filled[runs] == 0).all()
    np.testing.assert_allclose(-metered[runs], called[runs], atol=ROUNDING_CUR)
