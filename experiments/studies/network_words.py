"""Which network tariff survives automation: the tables and the answer, made from what ``network_tariffs`` found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from gridbazaar.experiments.studies.network_tariffs import (
    ENERGY,
    EVENING,
    MONTHS,
    NETWORKS,
    STAGES,
    TODAY,
    WEEKS_A_MONTH,
    Grew,
    Grown,
    World,
)
from gridbazaar.experiments.studies.result import Result, Table, number

RECOVERS, GROWS, SHIFTS = 0.95, 0.02, 0.02
"""A tariff survives where today's prices bring at least so much of the revenue, the transformer's peak grows by at most
so much, and who does not automate pays at most so much more: at every stage."""
_HALF = next(stage.name for stage in STAGES if stage.share == 0.5)
_ALL = STAGES[-1].name


def network_tariffs(weeks: int, tick: Callable[[], None] | None = None) -> Result:
    """Play all ways to pay under both retail prices.

    Args:
        weeks: of the year; sixteen stand for a month that is played.
        tick: called after every interval, for progress.
    """
    n_months = min(max(weeks // WEEKS_A_MONTH, 1), len(MONTHS))
    grew = {energy: World(energy, n_months, tick).grew() for energy in ENERGY}
    tables = {"today": _today(grew[next(iter(ENERGY))])}
    for energy, one in grew.items():
        tables |= {energy: _stages(one), f"{energy}_bills": _who_pays(one)}
    return Result(tables, {"verdict": _verdict(grew)})


def _today(grew: Grew) -> Table:
    """What customers pay for the network today, the same in sum."""
    groups = _groups(grew)
    head = ["network paid", *(f"{name}, EUR a month" for name in groups)]
    return [head, *([name, *(number(_mean(one.network_cur, who)) for who in groups.values())]
                    for name, one in grew.today.items())]  # fmt: skip


def _stages(grew: Grew) -> Table:
    head = [
        "network paid", "automated", "recovered at today's prices", "price factor", "peak of the transformer, kW",
        "in the evening", "in other hours",
    ]  # fmt: skip
    first = next(iter(grew.today.values()))
    table = [head, ["any", TODAY.name, "100 %", "1.00", *_peaks(first)]]
    for name in NETWORKS:
        for stage in STAGES:
            one = grew.later[name, stage.name]
            factor = "none is needed" if not NETWORKS[name].charges else number(one.factor)
            table.append([
                name, stage.name, f"{100 * one.recovered:.0f} %", factor + " !" * (not one.is_settled),
                *_peaks(one),
            ])  # fmt: skip
    return table


def _who_pays(grew: Grew) -> Table:
    """By how much bills change against today under the same way to pay, once the network operator is whole."""
    groups = _groups(grew)
    split = {
        f"{_HALF}: {'automated' if of is grew.half else 'by hand'} {name}": who & of
        for of in (grew.half, ~grew.half)
        for name, who in groups.items()
    }
    head = ["network paid", *(f"{name}, EUR a month" for name in split), *(f"{_ALL}: {name}" for name in groups)]
    table = [head]
    for name in NETWORKS:
        changed = [grew.later[name, stage].bills_cur - grew.today[name].bills_cur for stage in (_HALF, _ALL)]
        cells = [_mean(changed[0], who) for who in split.values()] + [_mean(changed[1], who) for who in groups.values()]
        table.append([name, *(f"{round(x, 2) + 0.0:+.2f}" for x in cells)])
    return table


def _groups(grew: Grew) -> Mapping[str, NDArray[np.bool_]]:
    has_pv = next(iter(grew.today.values())).has_pv
    is_home = np.array([name.startswith("prosumer") for name in grew.agents])
    return {"home with PV": has_pv & is_home, "home without": ~has_pv & is_home, "charger": ~is_home}


def _mean(amounts: NDArray[np.float64], who: NDArray[np.bool_]) -> float:
    return float(amounts[who].mean()) if who.any() else float("nan")


def _peaks(one: Grown) -> list[str]:
    return [number(x, 1) for x in (_peak_kw(one), _peak_kw(one, in_evening=True), _peak_kw(one, in_evening=False))]


def _peak_kw(one: Grown, in_evening: bool | None = None) -> float:
    """The most that the transformer carries towards the street, in all hours, in the evening or in others."""
    hour = np.arange(one.root_kw.shape[1]) % 24
    is_evening = (hour >= EVENING["from_h"]) & (hour < EVENING["to_h"])
    chosen = np.ones_like(is_evening) if in_evening is None else is_evening == in_evening
    return float(np.nanmax(one.root_kw[:, chosen]))


def _verdict(grew: Mapping[str, Grew]) -> str:
    sentences, survivors = [], dict[str, list[str]]()
    for energy, found in grew.items():
        survivors[energy] = []
        for name in NETWORKS:
            faults = list(_faults(found, name))
            if not faults:
                survivors[energy].append(name)
            said = "survives" if not faults else "does not survive: " + "; ".join(faults)
            sentences.append(f"Retail price {energy}, network paid {name}: {'**survives**' if not faults else said}.")
    everywhere = [name for name in NETWORKS if all(name in some for some in survivors.values())]
    answer = (
        f"**{_listed(everywhere)}** under every retail price" if everywhere else "**None** under every retail price"
    )
    ways = "; ".join(f"price {energy}: {_listed(names) or 'none'}" for energy, names in survivors.items())
    held = (_held(energy, found) for energy, found in grew.items())
    return "\n".join([f"{answer} ({ways}).", "", *(f"- {sentence}" for sentence in (*held, *sentences))])


def _held(energy: str, grew: Grew) -> str:
    """Say which way to pay holds the transformer best and worst, and what it brings."""
    peaks = {name: max(_peak_kw(grew.later[name, stage.name]) for stage in STAGES) for name in NETWORKS}
    brought = {name: min(grew.later[name, stage.name].recovered for stage in STAGES) for name in NETWORKS}
    best, worst = min(peaks, key=peaks.__getitem__), max(peaks, key=peaks.__getitem__)
    today = _peak_kw(next(iter(grew.today.values())))
    return (
        f"Retail price {energy}: the transformer, {today:.1f} kW today, carries at worst {peaks[best]:.1f} kW with "
        f"{best}, which brings {100 * brought[best]:.0f} % of the revenue, and {peaks[worst]:.1f} kW with {worst}, "
        f"which brings {100 * brought[worst]:.0f} %."
    )


def _listed(names: list[str]) -> str:
    return ", ".join(names)


def _faults(grew: Grew, name: str) -> Iterator[str]:
    """Say what breaks, at the stage at which it is worst."""
    today, later = grew.today[name], {stage.name: grew.later[name, stage.name] for stage in STAGES}
    stage, one = min(later.items(), key=lambda item: item[1].recovered)
    if one.recovered < RECOVERS:
        rise = f"prices rise by {100 * (one.factor - 1):.0f} %"
        what = rise if one.is_settled else "no factor on prices comes to rest"
        yield f"today's prices bring {100 * one.recovered:.0f} % ({stage}), {what}"
    stage, one = max(later.items(), key=lambda item: _peak_kw(item[1]))
    peak, before = _peak_kw(one), _peak_kw(today)
    if peak > (1 + GROWS) * before:
        when = "in the evening" if _peak_kw(one, in_evening=True) >= peak else "in other hours than the evening"
        yield f"the transformer carries {peak:.1f} kW in place of {before:.1f} ({stage}), {when}"
    by_hand = ~grew.half
    paid, more = today.bills_cur[by_hand].sum(), (later[_HALF].bills_cur - today.bills_cur)[by_hand].sum()
    if more > SHIFTS * paid:
        yield f"who does not automate pays {100 * more / paid:.1f} % more ({_HALF})"
