"""What articles claim of local markets, put to the test: for each claim figures under stated conditions.

The verdicts stand on ``docs/studies/claims.md``, drawn from the figures that ``gridbazaar study claims`` writes there.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from gridbazaar.agents.policies import load_policy
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.scenarios import load_scenario
from gridbazaar.envs.state import Transition
from gridbazaar.experiments.evaluation.play import play
from gridbazaar.experiments.studies.place import Lived, variants
from gridbazaar.market.ledger.books.trades import pairwise

Tick = Callable[[], None]
Table = list[list[str]]

UPSTREAM = {"2 % upstream": 0.02, "5 % upstream": 0.05, "8 % upstream": 0.08}
"""Assumed: losses between power station and this feeder, as shares of what enters; not simulated here."""
HOMES = 500


def bills(weeks: int, tick: Tick | None = None) -> Table:
    """Bills of homes with and without a roof, as sun, market, fee discount and batteries come one by one."""
    nobody = {"bids": [0.0], "asks": [1.0]}
    no_fee = {"tariff_options.local_network_cur_per_kwh": 0.0}
    full_fee = {"tariff_options.local_network_cur_per_kwh": 0.08, "tariff_options.local_tax_cur_per_kwh": 0.06}
    batteries = {"prosumer.battery_share": 1.0}
    nothing = {"tariff_options.export_cur_per_kwh": 0.0}
    changes: dict[str, dict[str, Any]] = {
        "no sun, no market": {"prosumer.pv_share": 0.0, "mechanism_options": nobody},
        "sun, no market": {"mechanism_options": nobody},
        "sun, market, full fees and taxes": full_fee,
        "sun, market, fee of 2 ct and no tax": {},
        "sun, market, no fees and taxes": no_fee,
        "sun, no market, nothing for feed-in": nothing | {"mechanism_options": nobody},
        "sun, market, no fees and taxes, nothing for feed-in": nothing | no_fee,
        "sun, batteries, no market": batteries | {"mechanism_options": nobody},
        "sun, batteries, market, fee of 2 ct and no tax": batteries,
    }
    lived = variants("claims", changes, weeks, tick=tick)
    base = lived["no sun, no market"].no_pv_bill_cur

    def beside(name: str) -> Lived | None:
        """The same street without the market."""
        kept = ["batteries"] * ("batteries" in name), ["nothing for feed-in"] * ("nothing" in name)
        return lived[", ".join(["sun", *kept[0], "no market", *kept[1]])] if ", market" in name else None

    def row(name: str, x: Lived) -> list[str]:
        with_roof = f"{x.has_pv_bill_cur:.2f} ({_less(x.has_pv_bill_cur, base)})" if x.pv_kwh else "none has one"
        without = beside(name)
        market = "" if without is None else _less(x.bills_cur, without.bills_cur)
        return [name, with_roof, f"{x.no_pv_bill_cur:.2f} ({_less(x.no_pv_bill_cur, base)})", market]

    head = ["what there is", "home with a roof, EUR a day", "home without", "market alone, all homes"]
    return [head, *(row(name, x) for name, x in lived.items())]


def losses(weeks: int, tick: Tick | None = None) -> Table:
    """Losses of the feeder, as much sun as little, and with losses upstream that are assumed."""
    changes = {f"{share:.0%} of homes with a roof": {"prosumer.pv_share": share} for share in (0.0, 0.25, 0.5, 1.0)}
    lived = variants("claims", changes, weeks, tick=tick)
    rows = []
    for name, x in lived.items():
        upstream = [share * x.gate_import_kwh / (1 - share) for share in UPSTREAM.values()]
        rows.append([name, f"{100 * x.loss_kwh / x.load_kwh:.1f} %",
                     *(f"{100 * (up + x.loss_kwh) / x.load_kwh:.1f} %" for up in upstream)])  # fmt: skip
    return [["feeder of the village", "lost on it, of the load", *(f"all, {name}" for name in UPSTREAM)], *rows]


def settlement(n_homes: int = HOMES, repeats: int = 30) -> Table:
    """Time to clear, to pair and to settle an interval of many homes, on this machine."""
    core = Core(_district(n_homes), 1)
    state, times = core.reset([0], split="test"), list[float]()
    books: list[Any] = []
    for _ in range(48):  # into the morning and on, until homes have sun to sell
        state, happened = core.step(state, np.zeros((1, core.n_agents, core.n_actions)))
        books.append((happened.market.orders, happened.market.setting, happened.market.clearing))
    orders, setting, _ = max(books, key=lambda book: int((book[2].traded_ukwh != 0).sum()))
    clearing = core.mechanism(orders, setting)
    clear_s = _median_s(lambda: core.mechanism(orders, setting), repeats)
    pair_s = _median_s(lambda: _pairs(orders, clearing), repeats)
    for _ in range(repeats):
        began = time.perf_counter()
        state, _happened = core.step(state, np.zeros((1, core.n_agents, core.n_actions)))
        times.append(time.perf_counter() - began)
    n_pairs = len(_pairs(orders, clearing))
    return [
        ["of an interval", "figure"],
        ["homes, orders, trades", f"{n_homes}, {orders.energy_ukwh.shape[1]}, {n_pairs}"],
        ["clearing the auction", f"{1e3 * clear_s:.1f} ms"],
        ["pairing buyers and sellers", f"{1e3 * pair_s:.1f} ms"],
        ["the whole interval: bids, auction, power flow, devices, bills", f"{1e3 * float(np.median(times)):.1f} ms"],
    ]


def micro_trades(days: int, n_homes: int = HOMES, tick: Tick | None = None) -> Table:
    """How many trades a day of many homes has, how large they are, and what a trade is worth."""
    core, found = Core(_district(n_homes), 1), list[Any]()

    def record(happened: Transition) -> None:
        found.append(_pairs(happened.market.orders, happened.market.clearing))

    for day in range(days):
        play(core, load_policy("self_consumption"), [day], record=record, tick=tick)
    pairs = [pair for some in found for pair in some]
    kwh, cur = (np.array([getattr(p, name) for p in pairs]) / MICRO for name in ("energy_ukwh", "pay_ucur"))
    return [
        ["of a day", "figure"],
        ["homes", f"{n_homes}"],
        ["trades", f"{len(pairs) / days:,.0f}"],
        ["trades of the busiest interval", f"{max(map(len, found)):,}"],
        ["size of a trade: median, mean", f"{1e3 * np.median(kwh):.0f} Wh, {1e3 * kwh.mean():.0f} Wh"],
        ["worth of a trade: median, mean", f"{100 * np.median(cur):.2f} ct, {100 * cur.mean():.2f} ct"],
        ["traded energy", f"{kwh.sum() / days:,.0f} kWh"],
        ["fee of 1 ct a trade over what was traded for", f"{100 * 0.01 * len(pairs) / max(cur.sum(), 1e-9):.0f} %"],
    ]


def islands(episodes: int, tick: Tick | None = None) -> Table:
    """What share of the load a community keeps while the grid above is away, with more and less storage."""
    rows = []
    cases: dict[str, dict[str, Any]] = {
        "as the scenario has it": {},
        "half the storage": {"storage.share_of_load": [0.2, 0.35]},
        "a fifth of the storage": {"storage.share_of_load": [0.08, 0.14]},
        "no community battery": {"battery.count": 0},
        "no roofs": {"prosumer.pv_share": 0.0},
        "cars that give nothing back": {"ev.backup": False},
        "outages of 12 hours in the mean": {"outage.mean_h": 12.0},
    }
    for name, overrides in cases.items():
        rows.append([name, *_kept(overrides, episodes, tick)])
    return [["the village in a blackout", "load kept", "outages without a dark home", "outages, mean hours"], *rows]


def _kept(overrides: dict[str, Any], episodes: int, tick: Tick | None) -> list[str]:
    core, numbers = Core(load_scenario("blackout", **overrides), episodes), list(range(episodes))
    state = core.reset(numbers, split="test")
    outages = state.episode.outages
    assert outages is not None
    begin, end = np.asarray(outages.begin), np.asarray(outages.end)
    served, shed, hours = (np.zeros(episodes) for _ in range(3))

    def record(happened: Transition) -> None:
        nonlocal served, shed, hours
        t = np.asarray(happened.t)
        away = (begin <= t) & (t < end)
        served = served + away * np.asarray(happened.devices.load_kwh).sum(1)
        shed = shed + away * np.asarray(happened.shed_kwh).sum(1)
        hours = hours + away * core.scenario.step_h

    play(core, load_policy("opportunity_cost"), numbers, state=state, record=record, tick=tick)
    had = hours > 0
    kept = served[had].sum() / max((served + shed)[had].sum(), 1e-9)
    whole = float((shed[had] < 1e-6).mean())
    return [f"{100 * kept:.0f} %", f"{100 * whole:.0f} %", f"{int(had.sum())}, {hours[had].mean():.1f} h"]


def _district(n_homes: int) -> Any:
    """Homes of the district alone: no cars, VPPs or stand-alone batteries."""
    scenario = load_scenario("district")
    prosumer = replace(scenario.agents["prosumer"], count=n_homes)
    return replace(scenario, agents={"prosumer": prosumer})


def _pairs(orders: Any, clearing: Any) -> list[Any]:
    found = pairwise(
        np.asarray(clearing.traded_ukwh)[0],
        np.asarray(clearing.pay_ucur)[0],
        np.asarray(orders.agent),
        np.asarray(clearing.price_ucur_per_kwh)[0],
    )
    return list(found)


def _median_s(work: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return float(np.median(times))


def _less(now: float, before: float) -> str:
    return f"{100 * (now - before) / abs(before):+.0f} %"


CLAIMS: dict[str, Callable[[int, Tick | None], Table]] = {
    "bills": bills,
    "losses": losses,
    "settlement": lambda weeks, tick: settlement(),
    "micro_trades": lambda weeks, tick: micro_trades(max(weeks // 8, 1), tick=tick),
    "islands": lambda weeks, tick: islands(4 * weeks, tick),
}
"""By name: the table of a claim, from how many weeks of a year stand for it (blackouts: four a week)."""
