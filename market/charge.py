"""One charge of a tariff design: a price on energy, on power or on time, or a levy on other charges.

What sort it is follows from its fields. Prices are before VAT, in the currency of the design; of ``flow`` export and pv
a positive price is what the customer receives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Annotated

from gridbazaar.data import bounds
from gridbazaar.data.bounds import NotNegative, OneOf, Price, Share, Within
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES

DAY_H = 24.0
DISTANCES = ("building", "transformer", "feeder", "other")
"""How far the seller of a local kWh is: same building, same transformer, same feeder, anywhere."""
RECEIVING = ("export", "pv")
"""Flows for which the customer receives the price."""

_From = Annotated[float, Within(0.0, DAY_H, is_open_above=True)]
_To = Annotated[float, Within(0.0, DAY_H)]
_Month = Annotated[int, Within(1, 12)]
_Days = Annotated[str, OneOf("all", "weekday", "weekend")]
_Clock = Annotated[str, OneOf("local", "standard")]
_Factor = Annotated[float, Within(-100.0, 100.0)]
_Cost = bounds.Charge


@dataclass(frozen=True, slots=True)
class Hours:
    """Hours of some months and days, [from_h, to_h); ``from_h`` above ``to_h`` passes midnight. For peaks."""

    from_h: _From = 0.0
    to_h: _To = DAY_H
    months: tuple[_Month, ...] = ()  # none: all
    days: _Days = "all"  # holidays are of the weekend
    clock: _Clock = "local"  # standard: winter time all the year

    def check(self, where: str) -> None:
        """Refuse hours of which nobody can say whether they are a whole day or nothing."""
        _check_hours(self.from_h, self.to_h, self.months, where)


@dataclass(frozen=True, slots=True)
class Window:
    """Hours with a price of their own; of several windows the first that a row lies in counts."""

    from_h: _From = 0.0
    to_h: _To = DAY_H
    months: tuple[_Month, ...] = ()  # none: all
    days: _Days = "all"  # holidays are of the weekend
    clock: _Clock = "local"  # standard: winter time all the year
    cur_per_kwh: Price | None = None  # in place of the charge's
    add_cur_per_kwh: Price | None = None  # on top of the charge's
    tier_cur_per_kwh: tuple[Price, ...] = ()  # in place of the charge's tiers
    free_kwh_per_month: NotNegative = 0.0  # of the window, before its price counts

    def check(self, where: str) -> None:
        """Refuse a window without a price, or with two."""
        _check_hours(self.from_h, self.to_h, self.months, where)
        given = [self.cur_per_kwh is not None, self.add_cur_per_kwh is not None, bool(self.tier_cur_per_kwh)]
        if sum(given) != 1:
            raise ValueError(
                f"{where}: expected one of cur_per_kwh, add_cur_per_kwh and tier_cur_per_kwh, got {sum(given)} of them"
            )


@dataclass(frozen=True, slots=True)
class Peak:
    """Which power is billed: the mean of the ``n`` highest of a month, each of another day."""

    n: Annotated[int, Within(1, 31)] = 1
    per: Annotated[str, OneOf("day", "interval")] = "day"  # interval: the highest may be of one day
    interval_min: Annotated[int, OneOf(5, 10, 15, 30, 60)] = 15  # over which power is a mean
    windows: tuple[Hours, ...] = ()  # in which it counts; none: always
    floor_kw: NotNegative = 0.0  # of each month in which it counts, before the mean over months
    average_months: Annotated[int, Within(1, 36)] = 1  # mean over this month and those before it
    ratchet_frac: Share = 0.0  # of the highest of the ``lookback_months`` before, below which it does not fall
    lookback_months: Annotated[int, Within(0, 36)] = 0

    def check(self, where: str) -> None:
        """Refuse a ratchet that looks back on nothing, and one of means."""
        if bool(self.ratchet_frac) != bool(self.lookback_months):
            raise ValueError(f"{where}: expected both of ratchet_frac and lookback_months, or none of them")
        if self.ratchet_frac and self.average_months > 1:
            raise ValueError(f"{where}.average_months: expected 1 beside a ratchet, got {self.average_months}")


@dataclass(frozen=True, slots=True)
class Charge:
    """One charge; see the groups of its fields."""

    line: Annotated[str, OneOf(*LINES)]  # of the bill
    to: Annotated[str, OneOf(*SYSTEM_PARTIES)]  # who receives it
    # energy
    flow: Annotated[str, OneOf("import", "export", "pv", "load")] = "import"  # pv and load: of gross meters
    cur_per_kwh: Price = 0.0
    spot_factor: _Factor = 0.0  # times the spot price, on top
    spot_average: Annotated[str, OneOf("interval", "month", "month_profile")] = "interval"  # which spot price
    cap_cur_per_kwh: Price | None = None  # the price is never higher
    cap_incl_vat: bool = False  # the cap is on the price with VAT
    floor_cur_per_kwh: Price | None = None  # nor lower
    zero_if_spot_negative: bool = False  # no price in hours in which spot is below 0
    windows: tuple[Window, ...] = ()
    tiers_kwh: tuple[NotNegative, ...] = ()  # cumulative limits; the last tier is open
    tier_cur_per_kwh: tuple[Price, ...] = ()  # one more than limits
    tier_scope: Annotated[str, OneOf("month", "month_per_day", "year")] = "month"  # what the limits are of
    tier_split: Annotated[str, OneOf("pro_rata", "window")] = "pro_rata"  # window: each window has its own limits
    table_cur_per_kwh: str = ""  # name of a table of prices by hour
    nets: bool = True  # false: due on all that the register counted
    local: Mapping[str, Share] = field(default_factory=dict)  # share kept on a local kWh, by distance
    relief_reexport: bool = False  # not on stored kWh that go back to the grid
    origin: Annotated[str, OneOf("grid", "pro_rata")] = "grid"  # whose the stored kWh are: pro_rata of the month
    meter: Annotated[str, OneOf("all", "main", "controllable")] = "all"  # on which meter it is due
    lump_kwh: NotNegative = 0.0  # a year; its share of the price is taken off, down to nothing
    lump_frac: Share = 0.0
    lump_cur_per_year: NotNegative = 0.0  # taken off too
    from_day: str = ""  # first day on which it is due, such as 2025-01-01
    to_day: str = ""  # last day
    # power
    cur_per_kw_month: _Cost | None = None
    cur_per_kw_year: _Cost | None = None
    cur_per_kw_day: _Cost | None = None
    tiers_kw: tuple[NotNegative, ...] = ()  # cumulative limits; the last tier is open
    tier_cur_per_kw_month: tuple[_Cost, ...] = ()
    steps_kw: tuple[NotNegative, ...] = ()  # limits: lower <= x < upper; a leading 0 may stand, the last step is open
    step_cur_per_month: tuple[_Cost, ...] = ()
    peak: Peak | None = None
    shared_by: Annotated[str, OneOf("none", "equal", "kwh")] = "none"  # the peak of a building, parted
    # time
    cur_per_day: Price | None = None
    cur_per_month: Price | None = None
    cur_per_year: Price | None = None
    by_label: Mapping[str, Price] = field(default_factory=dict)  # amounts for customers with a label
    # levy
    frac: Share = 0.0  # of other charges
    of_lines: tuple[Annotated[str, OneOf(*LINES)], ...] = ()
    # all
    vat: bool = True
    vat_rate: Share | None = None  # in place of the design's
    source: str = ""
    year: Annotated[int, Within(1900, 2100)] | None = None
    check: bool = False  # a number was not read again at its source
    note: str = ""

    @property
    def sort(self) -> str:
        """energy, power, time or levy."""
        return next((sort for sort, names in _SORTS.items() if any(self.has(name) for name in names)), "energy")

    @property
    def received(self) -> bool:
        """Whether the customer receives a positive price."""
        return self.flow in RECEIVING

    def has(self, name: str) -> bool:
        """Whether a field is given."""
        value = getattr(self, name)
        return value is not None if name in _AMOUNTS else bool(value)


_PER_KW = ("cur_per_kw_month", "cur_per_kw_year", "cur_per_kw_day", "tiers_kw", "steps_kw")
_PER_TIME = ("cur_per_day", "cur_per_month", "cur_per_year")
_AMOUNTS = (*_PER_KW[:3], *_PER_TIME)  # may be 0
_SORTS = {"power": (*_PER_KW, "peak"), "levy": ("frac", "of_lines"), "time": (*_PER_TIME, "by_label")}
_FIELDS = {
    "energy": (
        "cur_per_kwh", "spot_factor", "cap_cur_per_kwh", "floor_cur_per_kwh", "zero_if_spot_negative", "windows",
        "tiers_kwh", "tier_cur_per_kwh", "table_cur_per_kwh", "local", "relief_reexport", "lump_kwh",
        "lump_cur_per_year",
    ),
    "power": (*_PER_KW, "tier_cur_per_kw_month", "step_cur_per_month", "peak"),
    "time": (*_PER_TIME, "by_label"),
    "levy": ("frac", "of_lines"),
}  # fmt: skip
_SAID = {"energy": "energy", "power": "power", "time": "time", "levy": "other charges"}


def check_charge(charge: Charge, where: str) -> None:
    """Refuse a charge of two sorts, and lists that do not fit each other."""
    sort = charge.sort
    wrong = [n for other, names in _FIELDS.items() if other != sort for n in names if charge.has(n)]
    if wrong:
        raise ValueError(f"{where}: {wrong[0]} does not go with a charge on {_SAID[sort]}; write two charges")
    _check_steps(charge.tiers_kwh, _tier_prices(charge), f"{where}.tiers_kwh")
    _check_steps(charge.tiers_kw, (charge.tier_cur_per_kw_month,), f"{where}.tiers_kw")
    _check_steps(step_limits(charge), (charge.step_cur_per_month,), f"{where}.steps_kw")
    _check_labels(charge, where)
    if sort == "power" and sum(charge.has(n) for n in _PER_KW) != 1:
        raise ValueError(f"{where}: expected one of {', '.join(_PER_KW)}")
    if charge.shared_by != "none" and sort != "power":
        raise ValueError(f"{where}.shared_by: a building shares a charge on power, not on {_SAID[sort]}")
    if charge.peak is not None and charge.peak.average_months > 1 and (charge.steps_kw or charge.tiers_kw):
        raise ValueError(f"{where}.peak.average_months: a mean over months goes with cur_per_kw_*, not steps or tiers")
    if sort == "time" and sum(getattr(charge, n) is not None for n in _PER_TIME) != 1:
        raise ValueError(f"{where}: expected one of {', '.join(_PER_TIME)}")
    if sort == "levy" and charge.line in charge.of_lines:
        raise ValueError(f"{where}.of_lines: a levy on its own line {charge.line} has no end; name other lines")
    _check_energy(charge, where)


def _tier_prices(charge: Charge) -> tuple[Sequence[float], ...]:
    own = (charge.tier_cur_per_kwh,) if charge.tier_cur_per_kwh or not charge.windows else ()
    return (*own, *(w.tier_cur_per_kwh for w in charge.windows if w.tier_cur_per_kwh))


def _check_energy(charge: Charge, where: str) -> None:
    if charge.spot_average != "interval" and (
        charge.cap_cur_per_kwh is not None or charge.floor_cur_per_kwh is not None or charge.zero_if_spot_negative
    ):
        raise ValueError(f"{where}.spot_average: a cap, a floor or a rule for negative hours needs interval prices")
    low, high = charge.floor_cur_per_kwh, charge.cap_cur_per_kwh
    if low is not None and high is not None and low > high:
        raise ValueError(f"{where}.floor_cur_per_kwh: expected at most the cap {high}, got {low}")
    tiered = bool(charge.tiers_kwh)
    plain = [w for w in charge.windows if not w.tier_cur_per_kwh]
    if tiered and (plain or charge.spot_factor or charge.table_cur_per_kwh or charge.cur_per_kwh):
        raise ValueError(f"{where}.tiers_kwh: tiers stand alone or in windows with tier_cur_per_kwh, not beside "
                         "other prices; write a second charge")  # fmt: skip
    if tiered and charge.windows and not charge.tier_cur_per_kwh:
        raise ValueError(f"{where}.tier_cur_per_kwh: expected prices for the hours outside the windows")
    if not tiered and (charge.tier_cur_per_kwh or any(w.tier_cur_per_kwh for w in charge.windows)):
        raise ValueError(f"{where}.tiers_kwh: expected the limits of tier_cur_per_kwh, got none")
    changes = charge.windows or charge.spot_factor or tiered or charge.table_cur_per_kwh
    if charge.lump_frac * charge.lump_kwh and changes:
        raise ValueError(f"{where}.lump_kwh: a lump sum in kWh needs a single price")
    unknown = [key for key in charge.local if key not in DISTANCES]
    if unknown:
        raise ValueError(f"{where}.local: expected some of {', '.join(DISTANCES)}, got {', '.join(unknown)}")


def step_limits(charge: Charge) -> tuple[float, ...]:
    """The limits between steps, without a leading 0."""
    return charge.steps_kw[1:] if charge.steps_kw[:1] == (0.0,) else charge.steps_kw


def _check_hours(from_h: float, to_h: float, months: Sequence[int], where: str) -> None:
    if from_h == to_h:
        raise ValueError(f"{where}.to_h: expected another hour than from_h (0 to 24 is all day), got {to_h:g}")
    if len(set(months)) < len(months):
        raise ValueError(f"{where}.months: expected each month once, got {list(months)}")


def _check_steps(limits: Sequence[float], prices: Sequence[Sequence[float]], where: str) -> None:
    if any(high <= low for low, high in pairwise(limits)):
        raise ValueError(f"{where}: expected limits that rise, got {list(limits)}")
    wrong = [len(each) for each in prices if (limits or each) and len(each) != len(limits) + 1]
    if wrong:
        raise ValueError(
            f"{where}: {len(limits)} limits need {len(limits) + 1} prices, for the last is open; got {wrong[0]}"
        )


def _check_labels(charge: Charge, where: str) -> None:
    for name in ("from_day", "to_day"):
        text = getattr(charge, name)
        if text and not is_day(text):
            raise ValueError(f"{where}.{name}: expected a day such as 2025-01-31, got {text!r}")
    if charge.from_day and charge.to_day and charge.from_day > charge.to_day:
        raise ValueError(f"{where}.to_day: expected a day from {charge.from_day} on, got {charge.to_day}")
    if charge.sort in ("power", "levy") and (charge.from_day or charge.to_day):
        raise ValueError(f"{where}.from_day: a charge on {_SAID[charge.sort]} holds for whole billing periods; "
                         "write one design for each")  # fmt: skip


def is_day(text: str) -> bool:
    """Whether a text is a date as ISO 8601 writes it."""
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False
