"""What a page needs to show an episode again: whole numbers, one list an interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.units import MICRO
from gridbazaar.envs.state import Transition
from gridbazaar.experiments.evaluation.play import Played
from gridbazaar.experiments.report.day import day_of
from gridbazaar.experiments.report.feeder_plot import tree_layout
from gridbazaar.market.ledger.books.trades import pairwise

Floats = NDArray[np.float64]

PER_KWH, PER_CUR, PER_PU = 1_000, 10_000, 10_000
"""Energy is shown to the Wh, money and prices to a hundredth of a cent, voltages to a ten-thousandth."""


def record(episodes: Mapping[str, Played]) -> dict[str, Any]:
    """Take apart one episode under several policies.

    Args:
        episodes: by policy, played with ``keep=True`` from one scenario, one environment each, of the same seed.

    Raises:
        ValueError: they are not of one episode.
    """
    seeds = {(p.tally.core.scenario.name, int(p.states[0].episode.seed[0])) for p in episodes.values() if p.states}
    if len(seeds) != 1 or any(not p.transitions for p in episodes.values()):
        raise ValueError(f"replay: expected one episode of one scenario with its transitions, got {sorted(seeds)}")
    first = next(iter(episodes.values()))
    core, day = first.tally.core, day_of(first)
    scenario, feeder = core.scenario, day.feeder
    x, y = tree_layout(feeder.parent)
    orders = first.transitions[0].market.orders
    return {
        "schema": 1,
        "scenario": scenario.name, "title": scenario.title, "currency": scenario.currency, "seed": day.seed,
        "mechanism": str(scenario.mechanism), "tariff": str(scenario.tariff), "constraint": scenario.constraint,
        "date": str(day.date.astype("datetime64[D]")), "step_h": day.step_h,
        "clock": [_clock(hour) for hour in day.hour],
        "agents": list(day.agents), "kinds": [scenario.agent_kind(name) for name in day.agents],
        "bus": np.asarray(orders.bus)[: core.n_agents].tolist(),
        "feeder": {
            "name": feeder.name, "buses": list(feeder.buses), "parent": feeder.parent.tolist(),
            "x": x.tolist(), "y": y.tolist(), "low": feeder.v_min_pu, "high": feeder.v_max_pu,
        },
        "cap_kw": [min(day.import_cap_kw, 1e6), min(day.export_cap_kw, 1e6)],
        "retail": _whole(day.retail_cur_per_kwh, PER_CUR), "feed_in": _whole(day.feed_in_cur_per_kwh, PER_CUR),
        "events": _events(first),
        "policies": [_policy(name, played) for name, played in episodes.items()],
    }  # fmt: skip


def _policy(name: str, played: Played) -> dict[str, Any]:
    """What happened under one policy."""
    core, happened, day = played.tally.core, played.transitions, day_of(played)
    n = core.n_agents

    def over(pick: Callable[[Any], Any]) -> Any:
        return np.stack([np.asarray(pick(h))[0] for h in happened])

    traded = over(lambda h: h.market.clearing.traded_ukwh)
    bills = over(lambda h: h.money.bill.ucur[:, :, :n].sum(1))
    return {
        "name": name,
        "scored": round(float(played.tally.scored_cur[0]), 4),
        "root": _whole(day.root_kw, 100),
        "price": _whole(day.local_cur_per_kwh, PER_CUR),
        "volts": _whole(day.voltage_pu, PER_PU), "loading": _whole(day.branch_loading, 1_000),
        "net": _whole(over(lambda h: h.delivery.metered_ukwh) / MICRO, PER_KWH),
        "pairs": [_pairs(h) for h in happened],
        "local": _whole((traded[:, :n] + traded[:, n:]) / MICRO, PER_KWH),
        "stored": _whole(day.stored_kwh, PER_KWH), "capacity": _whole(day.capacity_kwh, PER_KWH),
        "plugged": day.is_plugged.astype(int).tolist(),
        "bill": _whole(np.cumsum(bills, axis=0) / MICRO, PER_CUR),
        "energy": _whole(over(lambda h: h.market.orders.energy_ukwh) / MICRO, PER_KWH),
        "limit": _whole(over(lambda h: h.market.orders.limit_ucur_per_kwh) / MICRO, PER_CUR),
        "filled": _whole(over(lambda h: h.market.clearing.filled_ukwh) / MICRO, PER_KWH),
        "shed": _whole(over(lambda h: h.shed_kwh), PER_KWH),
        "curtailed": _whole(over(lambda h: h.delivery.curtailed_ukwh) / MICRO, PER_KWH),
    }  # fmt: skip


def _pairs(happened: Transition) -> list[list[int]]:
    """Who sold to whom, as the ledger lays a cleared book side by side: [seller, buyer, Wh, price]; -1 is the market's
    own stock."""
    clearing, owner = happened.market.clearing, np.asarray(happened.market.orders.agent)
    found = pairwise(
        np.asarray(clearing.traded_ukwh)[0],
        np.asarray(clearing.pay_ucur)[0],
        owner,
        np.asarray(clearing.price_ucur_per_kwh)[0],
    )
    sides = ([-1 if column < 0 else int(owner[column]) for column in (pair.seller, pair.buyer)] for pair in found)
    return [
        [*ends, round(pair.energy_ukwh * PER_KWH / MICRO), round(pair.price_ucur_per_kwh * PER_CUR / MICRO)]
        for ends, pair in zip(sides, found, strict=True)
        if ends[0] != ends[1]
    ]


def _events(played: Played) -> list[str]:
    """What is out of the ordinary in each interval: an outage, a failed branch, a call; empty where nothing is."""
    episode, n_steps = played.states[0].episode, len(played.transitions)
    words = [""] * n_steps
    if episode.outages is not None:
        o = episode.outages
        for begin, end, what in ((o.begin, o.end, "grid above is out"), (o.line_begin, o.line_end, "a branch is out")):
            for t in range(int(begin[0]), min(int(end[0]), n_steps)):
                words[t] = f"{words[t]}, {what}" if words[t] else what
    if episode.calls is not None:
        level = np.asarray(episode.calls.level_ppm)[0]
        for t in np.flatnonzero(level[:n_steps] > 0).tolist():
            words[t] = f"call of the operator, {level[t] / MICRO:.0%} of the awards"
    return words


def _whole(values: Any, per_unit: int) -> Any:
    """Round to whole numbers, which take a third of the room."""
    return np.rint(np.asarray(values, np.float64) * per_unit).astype(np.int64).tolist()


def _clock(hour: float) -> str:
    minutes = round(float(hour) * 60)
    day, of_day = divmod(minutes, 24 * 60)
    return f"{of_day // 60:02d}:{of_day % 60:02d}" + (f" +{day} d" if day else "")
