"""The contract of a tariff: what a kWh costs from the retailer, what a surplus earns, what a neighbour's kWh bears.

``price`` turns it into integers for every step of a bank.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.units import to_micro


@dataclass(frozen=True, slots=True)
class Window:
    """Hours of the day in which the energy price is higher (or, negative, lower)."""

    from_h: float
    to_h: float
    add_cur_per_kwh: float
    weekdays: bool = True
    weekends: bool = True

    def __post_init__(self) -> None:
        if not (0 <= self.from_h < self.to_h <= 24):
            raise ValueError(f"tariff window: expected 0 <= from_h < to_h <= 24, got {self.from_h}, {self.to_h}")


@dataclass(frozen=True, slots=True)
class Tariff:
    """Per-kWh prices and a standing charge; amounts in the scenario's currency.

    The energy price is ``spot_factor * spot + energy_cur_per_kwh`` plus the windows that are open. A neighbour's kWh
    bears ``local_network_cur_per_kwh`` and ``local_tax_cur_per_kwh`` in place of the full network charge and tax.
    """

    name: str
    title: str
    energy_cur_per_kwh: float = 0.0
    spot_factor: float = 0.0
    windows: tuple[Window, ...] = ()
    network_cur_per_kwh: float = 0.0
    tax_cur_per_kwh: float = 0.0
    local_network_cur_per_kwh: float = 0.0
    local_tax_cur_per_kwh: float = 0.0
    export_cur_per_kwh: float = 0.0
    export_spot_factor: float = 0.0
    fixed_cur_per_day: float = 0.0
    imbalance_cur_per_kwh: float = 0.05  # what a balance-responsible party pays (loses) beyond the tariff

    def __post_init__(self) -> None:
        for name in ("network", "tax", "local_network", "local_tax", "imbalance"):
            value = getattr(self, f"{name}_cur_per_kwh")
            if value < 0:
                raise ValueError(f"tariff {self.name}: {name}_cur_per_kwh: expected 0 or more, got {value}")
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
    tariff: Tariff, spot_cur_per_kwh: NDArray[np.float64], hour: NDArray[np.float64], weekday: NDArray[np.int64]
) -> Prices:
    """Price every step of a bank; all arguments [n_steps]."""
    energy = tariff.spot_factor * spot_cur_per_kwh + tariff.energy_cur_per_kwh
    for window in tariff.windows:
        days = np.where(weekday < 5, window.weekdays, window.weekends)
        energy = energy + window.add_cur_per_kwh * (days & (hour >= window.from_h) & (hour < window.to_h))

    def level(cur_per_kwh: float) -> NDArray[np.int64]:
        return np.full(len(energy), to_micro(np.float64(cur_per_kwh)), np.int64)

    energy_ucur, network, tax = to_micro(energy), level(tariff.network_cur_per_kwh), level(tariff.tax_cur_per_kwh)
    local_network, local_tax = level(tariff.local_network_cur_per_kwh), level(tariff.local_tax_cur_per_kwh)
    upper = energy_ucur + network + tax - local_network - local_tax
    export = to_micro(tariff.export_spot_factor * spot_cur_per_kwh + tariff.export_cur_per_kwh)
    return Prices(
        energy=energy_ucur,
        network=network,
        tax=tax,
        local_network=local_network,
        local_tax=local_tax,
        export=export,
        upper=upper,
        spot=to_micro(spot_cur_per_kwh),
    )
