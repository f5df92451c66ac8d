"""The section on one day: power, prices, storage, voltages and the feeder, each with what to see in it."""

from __future__ import annotations

from html import escape

import numpy as np

from gridbazaar.experiments.report import day_plots
from gridbazaar.experiments.report.day import Day
from gridbazaar.experiments.report.page import clock_text, listed, picture, plural, section
from gridbazaar.experiments.report.subject import Subject
from gridbazaar.experiments.report.table import html_number as num
from gridbazaar.experiments.report.table import number


def one_day(about: Subject) -> str:
    """Show the kept day of one policy."""
    day, name = about.days[about.shown], escape(about.name(about.shown))
    when = f"{day.date.astype('datetime64[D]').item():%A %d %B %Y}"
    intro = (
        f"<p>Episode {day.seed} of the {escape(about.evaluation.split)} split, {clock_text(day.hour[0])} on {when} to "
        f"{clock_text(day.edges[-1])}, under {name}. Homes use {num(day.step_h * day.load_kw.sum(), 1)} kWh "
        f"and their roofs give {num(day.step_h * day.pv_kw.sum(), 1)} kWh.</p>"
    )
    hours = day.edges[-1] - day.edges[0]
    title = "One day" if 12 <= hours <= 25 else f"One episode of {hours:g} hours"  # 25 where the clock is set back
    return section(
        title, intro, _net_power(about), _prices(about, day), _storage(about, day), _voltages(day), _feeder(day)
    )


def _net_power(about: Subject) -> str:
    chosen = [p for p in ("idle", "optimum", about.shown) if p in about.days]
    days = {about.name(p): about.days[p] for p in chosen}
    peaks = listed(f"{number(max(float(d.root_kw.max()), 0.0), 1)} kW under {n}" for n, d in days.items())
    cap = about.days[about.shown].import_cap_kw
    capped = f"; the connection carries {number(cap, 1)} kW at the tariff" if cap < 1e5 else "; no cap is set"
    sentence = escape(f"The largest import is {peaks}{capped}.")
    alt = f"Power at the head of the feeder over the day under {listed(days)}"
    return picture("net_power", lambda: day_plots.net_power(days), alt, sentence)


def _prices(about: Subject, day: Day) -> str:
    traded = day.traded_kwh > 0
    kwh, code = day.traded_kwh.sum(), escape(about.currency)
    sentence = f"Neighbours trade {num(kwh, 1)} kWh in {int(traded.sum())} of {len(traded)} intervals"
    if traded.any():
        mean = float((day.traded_kwh * day.local_cur_per_kwh).sum() / kwh)
        low, high = float(day.local_cur_per_kwh[traded].min()), float(day.local_cur_per_kwh[traded].max())
        sentence += (
            f", at {num(mean, 3)} {code}/kWh on average and from {num(low, 3)} to {num(high, 3)}; the retailer asks "
            f"{num(float(day.retail_cur_per_kwh.mean()), 3)} and pays {num(float(day.feed_in_cur_per_kwh.mean()), 3)}"
        )
    over = int((day.root_kw > day.import_cap_kw).sum() + (-day.root_kw > day.export_cap_kw).sum())
    sentence += f". The head of the feeder passes a cap in {over} {plural(over, 'interval')}."
    alt = "Retail, feed-in and local price, energy traded between neighbours, and import and export, over the day"
    return picture("prices", lambda: day_plots.prices(day, about.currency), alt, sentence)


def _storage(about: Subject, day: Day) -> str:
    sentences = []
    for kind, agents in day.kind_slices.items():
        stored, capacity = day.stored_kwh[:, agents].sum(1), day.capacity_kwh[:, agents].sum(1)
        if kind != "ev" and (capacity > 0).all():
            filled = 100 * stored / capacity
            full, empty = int(filled.argmax()), int(filled.argmin())
            sentences.append(
                f"{escape(kind)} is fullest at {clock_text(day.hour[full])} "
                f"({num(filled[full], 0)} %) and emptiest at "
                f"{clock_text(day.hour[empty])} ({num(filled[empty], 0)} %)"
            )
    text = "; ".join(sentences) + "." if sentences else ""
    if "ev" in day.kind_slices:
        came = int(day.is_plugged[:, day.kind_slices["ev"]].any(axis=0).sum())
        lacked = float(about.evaluation.result(about.shown).figures["unserved_kwh"].sum())
        text += (
            f" {came} of {day.is_plugged[:, day.kind_slices['ev']].shape[1]} cars come; over all episodes cars lack "
            f"{num(lacked, 2)} kWh at departure."
        )
    alt = "Energy stored over the day by kind, and when cars are plugged in and how full they are"
    return picture("storage", lambda: day_plots.storage(day), alt, text[:1].upper() + text[1:])


def _voltages(day: Day) -> str:
    low, high = float(day.voltage_pu.min()), float(day.voltage_pu.max())
    limits = (day.feeder.v_min_pu, day.feeder.v_max_pu)
    inside = "inside" if limits[0] <= low and high <= limits[1] else "not always inside"
    sentence = (
        f"Voltages lie between {num(low, 3)} and {num(high, 3)} pu, {inside} the band from {num(limits[0], 2)} to "
        f"{num(limits[1], 2)} pu."
    )
    alt = f"Voltage band of {day.feeder.n_buses} buses over the day; lowest {low:.3f}, highest {high:.3f} per unit"
    return picture("voltages", lambda: day_plots.voltages(day), alt, sentence)


def _feeder(day: Day) -> str:
    step, feeder = day.worst_step, day.feeder
    volts, loading = day.voltage_pu[step], day.branch_loading[step]
    worst = int(np.minimum(volts - feeder.v_min_pu, feeder.v_max_pu - volts).argmin())
    fullest = int(loading.argmax())
    sentence = (
        f"At {clock_text(day.hour[step])} a voltage comes nearest to a limit: bus {escape(feeder.buses[worst])} has "
        f"{num(float(volts[worst]), 3)} pu. The fullest branch then is the one to {escape(feeder.buses[fullest])}, at "
        f"{num(100 * float(loading[fullest]), 0)} % of its rating; the largest loading of all intervals is "
        f"{num(100 * float(day.branch_loading.max()), 0)} %."
    )
    alt = f"Feeder {feeder.name} as a tree of {feeder.n_buses} buses, coloured by voltage, branches by loading"
    return picture("feeder", lambda: day_plots.feeder_tree(day), alt, sentence)
