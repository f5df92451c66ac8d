"""The contract of a tariff design: all that a household's bill of a month or a year is made of.

A design is one TOML file: what it is called, where and when it holds, how import and export are netted, and its
charges (``charge.Charge``). ``billing`` turns it and a metered series into a bill.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated

from gridbazaar.data import bounds
from gridbazaar.data.bounds import NotNegative, OneOf, Price, Share, Within
from gridbazaar.data.clock import zone_of
from gridbazaar.data.tables import check_table
from gridbazaar.market.charge import Charge, check_charge, is_day
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES

TABLE_ROWS = (12 * 24 * 2, 8760)
"""Prices of a table: by month, hour and weekday or weekend, or by hour of a year of 365 days."""


@dataclass(frozen=True, slots=True)
class Netting:
    """How export is set against import before it is priced.

    Within a row import and export are netted always, but for ``none`` (two registers). ``hour`` nets rows within the
    hour, ``month`` and ``year`` within these: ``share`` of what is fed in, up to what is drawn. ``rollover`` keeps
    what is left over: ``kwh`` in a bank by hours of one price; ``money`` as a credit of the lines that ``credit_pays``
    names, where under ``month`` and ``year`` export earns the import price of its own hour.
    """

    period: Annotated[str, OneOf("interval", "hour", "month", "year", "none")] = "interval"
    share: Share = 1.0
    rollover: Annotated[str, OneOf("none", "kwh", "money")] = "none"
    true_up_month: Annotated[int, Within(1, 12)] | None = None  # at whose end the bank is emptied, and a year ends
    true_up_cur_per_kwh: Price = 0.0  # paid for the kWh that are left then
    true_up_frac: Share = 0.0  # of the money that is left then, paid out
    credit_pays: tuple[Annotated[str, OneOf(*LINES)], ...] = ()  # none: the lines with charges on energy that nets
    cap: Annotated[str, OneOf("none", "energy_month")] = "none"  # credits of a month up to its energy, then lost

    def check(self, where: str) -> None:
        """Refuse rules that contradict each other."""
        if self.rollover == "kwh" and self.period != "month":
            raise ValueError(f"{where}.period: a bank of kWh needs month, got {self.period}")
        if self.cap != "none" and self.rollover != "none":
            raise ValueError(f"{where}.cap: what is above the cap is lost, so rollover has to be none")
        if self.share < 1.0 and (self.period not in ("hour", "month", "year") or self.rollover != "none"):
            raise ValueError(f"{where}.share: expected 1 but for hour, month or year without rollover")
        if self.rollover == "none" and (self.true_up_cur_per_kwh or self.true_up_frac):
            raise ValueError(f"{where}.rollover: a true-up pays for what was rolled over; expected kwh or money")

    @property
    def in_money(self) -> bool:
        """Whether export earns the import price of its hour."""
        return self.rollover == "money" and self.period in ("month", "year")


@dataclass(frozen=True, slots=True)
class Vat:
    """Value added tax."""

    rate: Share = 0.0
    local_seller: Annotated[str, OneOf("exempt", "registered")] = "exempt"  # whether neighbours add it


@dataclass(frozen=True, slots=True)
class Sharing:
    """How a community parts its generation among members, before any price."""

    key: Annotated[str, OneOf("static", "static_repeated", "hybrid", "dynamic", "market")] = "dynamic"
    unit_min: Annotated[int, OneOf(5, 15, 30, 60)] = 15  # the key is applied to


@dataclass(frozen=True, slots=True)
class Minimum:
    """What a bill amounts to at least, with VAT."""

    cur_per_month: NotNegative = 0.0
    cur_per_year: NotNegative = 0.0
    line: Annotated[str, OneOf(*LINES)] = "fixed"
    to: Annotated[str, OneOf(*SYSTEM_PARTIES)] = "retailer"


@dataclass(frozen=True, slots=True)
class Maximum:
    """What a bill amounts to at most, with VAT: a share of what another supply would cost, over the whole period."""

    frac: Share = 1.0
    cur_per_kwh: NotNegative = 0.0
    cur_per_year: NotNegative = 0.0
    line: Annotated[str, OneOf(*LINES)] = "retail"
    to: Annotated[str, OneOf(*SYSTEM_PARTIES)] = "retailer"


@dataclass(frozen=True, slots=True)
class Cer:
    """A premium that falls as the market price rises: min(base + max(0, slope_to - spot), cap) + add, per kWh."""

    base: NotNegative = 0.0
    slope_to: NotNegative = 0.0
    cap: bounds.Charge = bounds.MOST_PRICE
    add: Price = 0.0


@dataclass(frozen=True, slots=True)
class Premium:
    """What a community earns for a kWh that it generates and uses at the same time."""

    cur_per_kwh: NotNegative = 0.0
    cer: Cer | None = None
    unit_min: Annotated[int, OneOf(5, 15, 30, 60)] = 60
    to: Annotated[str, OneOf(*SYSTEM_PARTIES)] = "state"  # who pays it


@dataclass(frozen=True, slots=True)
class Design:
    """A tariff as it is billed."""

    name: str
    title: str
    region: str  # such as US-CA
    year: Annotated[int, Within(1900, 2100)] | None  # of its prices
    currency: str
    tz: str  # whose clock its hours are of
    source: str  # where its numbers come from
    charges: tuple[Charge, ...]
    holidays: str = ""  # a country, with its part (US-CA), whose public holidays are of the weekend
    holiday_dates: tuple[str, ...] = ()  # days that are so too
    check: bool = False  # a number in it was not read again at its source
    note: str = ""
    vat: Vat = field(default_factory=Vat)
    netting: Netting = field(default_factory=Netting)
    sharing: Sharing | None = None
    minimum: Minimum | None = None
    maximum: Maximum | None = None
    premium: Premium | None = None
    tables: Mapping[str, tuple[Price, ...]] = field(default_factory=dict)  # by name: ``TABLE_ROWS`` prices

    def __post_init__(self) -> None:
        where = f"design {self.name}"
        check_table(self, where)
        object.__setattr__(self, "tables", {name: tuple(prices) for name, prices in self.tables.items()})
        zone_of(self.tz)
        if not self.charges:
            raise ValueError(f"{where}.charges: expected at least one charge")
        if len(self.currency) != 3 or not self.currency.isupper():
            raise ValueError(f"{where}.currency: expected three letters such as EUR, got {self.currency!r}")
        if wrong := [text for text in self.holiday_dates if not is_day(text)]:
            raise ValueError(f"{where}.holiday_dates: expected days such as 2025-01-31, got {wrong[0]!r}")
        for name, prices in self.tables.items():
            if len(prices) not in TABLE_ROWS:
                raise ValueError(f"{where}.tables.{name}: expected 576 or 8760 prices, got {len(prices)}")
        for i, charge in enumerate(self.charges):
            check_charge(charge, f"{where}.charges[{i}]")
            self._check_charge(charge, f"{where}.charges[{i}]")

    def _check_charge(self, charge: Charge, where: str) -> None:
        """Refuse what a charge cannot be under this netting."""
        net = self.netting
        if charge.table_cur_per_kwh and charge.table_cur_per_kwh not in self.tables:
            raise ValueError(f"{where}.table_cur_per_kwh: no table is called {charge.table_cur_per_kwh!r}")
        if charge.sort != "energy" or not charge.nets or charge.flow not in ("import", "export"):
            return
        changes = charge.spot_factor or charge.table_cur_per_kwh
        if net.rollover == "kwh" and charge.flow == "import" and changes:
            raise ValueError(f"{where}: a bank of kWh needs prices by the hour of the day, not spot or a table")
        if net.rollover == "kwh" and charge.flow == "import" and (charge.from_day or charge.to_day):
            raise ValueError(f"{where}.from_day: a bank of kWh needs prices that hold for the whole period")
        if (net.in_money or net.rollover == "kwh") and charge.flow == "export":
            raise ValueError(
                f"{where}.flow: export is credited by netting; a price on it beside that needs nets = false"
            )
        if charge.tiers_kwh and (net.in_money or net.period == "year"):
            raise ValueError(f"{where}.tiers_kwh: tiers go with netting by interval, hour or month in kWh")
        if charge.spot_average != "interval" and net.period not in ("interval", "hour", "none"):
            raise ValueError(f"{where}.spot_average: a mean price goes with netting by interval or hour")
        if any(w.free_kwh_per_month for w in charge.windows) and (net.in_money or net.period == "year"):
            raise ValueError(f"{where}.windows: free kWh go with netting by interval, hour or month in kWh")

    @property
    def has_power(self) -> bool:
        """Whether a charge is on power."""
        return any(charge.sort == "power" for charge in self.charges)
