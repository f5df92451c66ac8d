"""The contract of a tariff: what a kWh costs from the retailer, what a surplus earns, what a neighbour's kWh bears.

``price`` turns it into integers for every step of a bank.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.bounds import Charge, Price, Within
from gridbazaar.data.tables import check_table
from gridbazaar.data.units import to_micro

_DAY_H = 24.0
_Factor = Annotated[float, Within(-100.0, 100.0)]
_SHARE_DIGITS = 9  # of a step; hours are sums of parts that are no binary fractions


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of the day in which the energy price is higher (or, negative, lower).

    ``to_h`` below ``from_h`` passes midnight: 22 to 6 is open from 0 to 6 and from 22 to 24 of each day that counts.
    """

    from_h: Annotated[float, Within(0.0, _DAY_H, is_open_above=True)]  # local time
    to_h: Annotated[float, Within(0.0, _DAY_H)]  # local time
    add_cur_per_kwh: Price
    weekdays: bool = True  # open on Monday to Friday
    weekends: bool = True  # open on Saturday and Sunday

    def check(self, where: str) -> None:
        """Refuse a window of which nobody can say whether it is a whole day or nothing; ``where`` names it."""
        if self.from_h == self.to_h:
            raise ValueError(f"{where}.to_h: expected another hour than from_h (0 to 24 is all day), got {self.to_h}")


@dataclass(frozen=True, slots=True)
class Tariff:
    """Per-kWh prices and a standing charge; amounts in the scenario's currency.

    The energy price is ``spot_factor * spot + energy_cur_per_kwh`` plus the windows that are open. A neighbour's kWh
    bears ``local_network_cur_per_kwh`` and ``local_tax_cur_per_kwh`` in place of the full network charge and tax.
    A tariff is priced as it is written: a feed-in price may lie above the retail price.
    """

    name: str
    title: str
    energy_cur_per_kwh: Price = 0.0
    spot_factor: _Factor = 0.0
    windows: tuple[Window, ...] = ()
    network_cur_per_kwh: Charge = 0.0
    tax_cur_per_kwh: Charge = 0.0
    local_network_cur_per_kwh: Charge = 0.0
    local_tax_cur_per_kwh: Charge = 0.0
    export_cur_per_kwh: Price = 0.0
    export_spot_factor: _Factor = 0.0
    fixed_cur_per_day: Charge = 0.0
    imbalance_cur_per_kwh: Charge = 0.05  # what a balance-responsible party pays (loses) beyond the tariff

    def __post_init__(self) -> None:
        check_table(self, f"tariff {self.name}")
        local = self.local_network_cur_per_kwh + self.local_tax_cur_per_kwh
        if local > self.network_cur_per_kwh + self.tax_cur_per_kwh:
            raise ValueError(
                f"tariff {self.name}: the charges on a local kWh ({local}) exceed those on a retail kWh "
                f"({self.network_cur_per_kwh + self.tax_cur_per_kwh}); lower local_network_ or local_tax_cur_per_kwh"
            )


@dataclass(frozen=True, slots=True)
class Prices:
    """A tariff over all steps of a bank; [n_steps] int64 micro-currency per kWh."""

    energy: NDArray[np.int64]
    network: NDArray[np.int64]
    tax: NDArray[np.int64]
    local_network: NDArray[np.int64]
    local_tax: NDArray[np.int64]
    export: NDArray[np.int64]  # what a surplus earns; where it is not below ``upper`` neighbours do not trade
    upper: NDArray[np.int64]  # upper edge of the band of local prices: retail less the charges on a local kWh
    spot: NDArray[np.int64]

    @property
    def retail(self) -> NDArray[np.int64]:
        """[n_steps] all that a kWh from the retailer costs."""
        return self.energy + self.network + self.tax


def price(
    tariff: Tariff,
    spot_cur_per_kwh: NDArray[np.float64],
    hour: NDArray[np.float64],
    weekday: NDArray[np.int64],
    step_h: float,
) -> Prices:
    """Price every step of a bank.

    Args:
        tariff: what it costs.
        spot_cur_per_kwh: [n_steps] wholesale price.
        hour: [n_steps] local hour in [0, 24) at which each step begins.
        weekday: [n_steps] local weekday then, 0 is Monday.
        step_h: length of a step, up to a day.
    """
    energy = tariff.spot_factor * spot_cur_per_kwh + tariff.energy_cur_per_kwh
    for window in tariff.windows:
        energy = energy + window.add_cur_per_kwh * open_share(window, hour, weekday, step_h)

    def level(cur_per_kwh: float) -> NDArray[np.int64]:
        return np.full(len(energy), to_micro(np.float64(cur_per_kwh)), np.int64)

    energy_ucur, network, tax = to_micro(energy), level(tariff.network_cur_per_kwh), level(tariff.tax_cur_per_kwh)
    local_network, local_tax = level(tariff.local_network_cur_per_kwh), level(tariff.local_tax_cur_per_kwh)
    return Prices(
        energy=energy_ucur,
        network=network,
        tax=tax,
        local_network=local_network,
        local_tax=local_tax,
        export=to_micro(tariff.export_spot_factor * spot_cur_per_kwh + tariff.export_cur_per_kwh),
        upper=energy_ucur + network + tax - local_network - local_tax,
        spot=to_micro(spot_cur_per_kwh),
    )


def open_share(
    window: Window, hour: NDArray[np.float64], weekday: NDArray[np.int64], step_h: float
) -> NDArray[np.float64]:
    """Give the share of each step in which a window is open, [n_steps]; what a step has after midnight is of that day.

    Args:
        window: of a tariff.
        hour, weekday, step_h: as for ``price``.
    """
    open_h = _open_h(window, hour, np.minimum(hour + step_h, _DAY_H), weekday)
    rest_h = np.maximum(hour + step_h - _DAY_H, 0.0)
    open_h = open_h + _open_h(window, 0.0 * rest_h, rest_h, (weekday + 1) % 7)
    return np.round(open_h / step_h, _SHARE_DIGITS)


def _open_h(
    window: Window, start_h: NDArray[np.float64], end_h: NDArray[np.float64], weekday: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Hours between two times of a day in which a window is open, [n_steps]."""
    spans = [(window.from_h, window.to_h)]
    if window.to_h < window.from_h:
        spans = [(0.0, window.to_h), (window.from_h, _DAY_H)]
    is_its_day = np.where(weekday < 5, window.weekdays, window.weekends)
    within = (np.minimum(end_h, to_h) - np.maximum(start_h, from_h) for from_h, to_h in spans)
    return is_its_day * sum((np.maximum(hours, 0.0) for hours in within), start=np.zeros(len(start_h)))
