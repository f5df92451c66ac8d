"""What is billed: metered series of customers over a span of time, without a gap."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gridbazaar.data.clock import zone_of
from gridbazaar.market.charge import DISTANCES

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]

MOST_KWH = 1e6
"""Of a row; a home draws far less, and a price times it has to fit."""
_SHOWN = 3
_SIGNED = ("local_paid_cur", "spot_cur_per_kwh")


@dataclass(frozen=True, slots=True, eq=False)
class Metered:
    """Rows of customers, each of [start, start + step); energies are of a row and not negative.

    ``import_kwh`` and ``export_kwh`` are those of the main meter, where all that a customer has is netted already.
    """

    starts: Times  # [n_rows] UTC
    import_kwh: Floats  # [n_customers, n_rows]
    export_kwh: Floats  # [n_customers, n_rows]
    step_min: int = 0  # minutes a row; 0: the distance of rows
    spot_cur_per_kwh: Floats | None = None  # [n_rows]
    labels: tuple[tuple[str, ...], ...] = ()  # of each customer; empty: none has any
    building: tuple[str, ...] = ()  # of each customer, for peaks that are those of buildings
    timezone: str | None = None  # of the customers; none: that of the design
    local_kwh: Mapping[str, Floats] = field(default_factory=dict)  # by distance: [n_customers, n_rows] of the import
    local_sold_kwh: Floats | None = None  # [n_customers, n_rows] of the export
    local_paid_cur: Floats | None = None  # [n_customers, n_rows] for both, < 0 is earned
    shared_kwh: Floats | None = None  # [n_customers, n_rows] that earn the premium of a community
    load_kwh: Floats | None = None  # [n_customers, n_rows] of a gross meter
    pv_kwh: Floats | None = None  # [n_customers, n_rows] of a gross meter
    controllable_kwh: Floats | None = None  # [n_customers, n_rows] of a meter of its own, not in the import
    stored_from_grid_kwh: Floats | None = None  # [n_customers, n_rows] what storage took
    stored_from_pv_kwh: Floats | None = None  # [n_customers, n_rows]
    reexport_kwh: Floats | None = None  # [n_customers, n_rows] what it gave to the grid
    profile: Floats | None = None  # [n_rows] weights of a monthly mean price

    def __post_init__(self) -> None:
        object.__setattr__(self, "starts", np.asarray(self.starts).astype("datetime64[s]"))
        object.__setattr__(self, "step_min", _step_min(self.starts, self.step_min))
        if self.import_kwh.ndim != 2:
            raise ValueError(f"import_kwh: expected [n_customers, n_rows], got the shape {self.import_kwh.shape}")
        for name, values in self._series():
            _check_series(name, values, self.import_kwh.shape)
        if self.labels and len(self.labels) != self.n_customers:
            raise ValueError(f"labels: expected one for each of {self.n_customers} customers, got {len(self.labels)}")
        if self.building and len(self.building) != self.n_customers:
            raise ValueError(
                f"building: expected one for each of {self.n_customers} customers, got {len(self.building)}"
            )
        if unknown := [name for name in self.local_kwh if name not in DISTANCES]:
            raise ValueError(f"local_kwh: expected some of {', '.join(DISTANCES)}, got {', '.join(unknown)}")
        if self.timezone is not None:
            zone_of(self.timezone)
        self._check_parts()

    def _series(self) -> list[tuple[str, Floats]]:
        """Every array of energy, price or money, by name."""
        named: list[tuple[str, Any]] = [(f.name, getattr(self, f.name)) for f in fields(self)]
        found = [(name, value) for name, value in named if isinstance(value, np.ndarray) and name != "starts"]
        return found + [(f"local_kwh[{name!r}]", value) for name, value in self.local_kwh.items()]

    def _check_parts(self) -> None:
        """Refuse local trades that are more than the meter counted."""
        sides = (("local_kwh", self.local_bought_kwh, self.import_kwh),
                 ("local_sold_kwh", self.local_sold_kwh, self.export_kwh))  # fmt: skip
        for name, part, whole in sides:
            if part is None:
                continue
            wrong = np.argwhere(part > whole + 1e-9)
            if len(wrong):
                row = int(wrong[0][1])
                raise ValueError(
                    f"{name}: expected at most what the meter counted in a row; customer {int(wrong[0][0])} has more "
                    f"at {self.starts[row]}Z ({len(wrong)} rows in all)"
                )

    @property
    def n_customers(self) -> int:
        return int(self.import_kwh.shape[0])

    @property
    def n_rows(self) -> int:
        return len(self.starts)

    @property
    def local_bought_kwh(self) -> Floats | None:
        """[n_customers, n_rows] over all distances; none: no local trade."""
        return sum(self.local_kwh.values(), np.zeros(self.import_kwh.shape)) if self.local_kwh else None

    def labels_of(self, customer: int) -> tuple[str, ...]:
        """The labels of a customer."""
        return self.labels[customer] if self.labels else ()


def metered(
    start: str | np.datetime64, step_min: int, import_kwh: Any, export_kwh: Any = None, **others: Any
) -> Metered:
    """Make metered rows of one length from a beginning in UTC; a series of one customer may have one dimension.

    Args:
        start: UTC.
        step_min: minutes a row.
        import_kwh: [n_customers, n_rows] or [n_rows].
        export_kwh: the same; none: nothing was fed in.
        others: fields of ``Metered``.
    """
    drawn = np.atleast_2d(np.asarray(import_kwh, np.float64))
    fed_in = np.zeros(drawn.shape) if export_kwh is None else np.atleast_2d(np.asarray(export_kwh, np.float64))
    step = np.timedelta64(60 * step_min, "s")
    starts = np.arange(drawn.shape[1]) * step + np.array(start, "datetime64[s]")
    given: dict[str, Any] = {name: value for name, value in others.items() if value is not None}
    for name, value in given.items():
        if name in ("spot_cur_per_kwh", "profile"):
            given[name] = np.asarray(value, np.float64)
        elif name == "local_kwh":
            given[name] = {k: np.atleast_2d(np.asarray(v, np.float64)) for k, v in value.items()}
        elif name not in ("labels", "building", "timezone"):
            given[name] = np.atleast_2d(np.asarray(value, np.float64))
    return Metered(starts, drawn, fed_in, step_min, **given)


def _step_min(starts: Times, given_min: int) -> int:
    """Minutes a row; ``ValueError`` where the rows are not evenly spaced."""
    if starts.ndim != 1 or not len(starts):
        raise ValueError("starts: expected the beginning of at least one row")
    if np.isnat(starts).any():
        raise ValueError(f"starts: {int(np.isnat(starts).sum())} rows have no time")
    gaps = np.diff(starts).astype(np.int64)
    step_s = 60 * given_min or (int(np.median(gaps)) if len(gaps) else 3600)
    if step_s <= 0 or step_s % 60 or 3600 % step_s:
        raise ValueError(f"starts: expected rows of minutes that divide an hour, most are {step_s} s apart")
    wrong = np.flatnonzero(gaps != step_s)
    if len(wrong):
        at = ", ".join(f"{starts[i]}Z" for i in wrong[:_SHOWN])
        missing = int((gaps[wrong] // step_s - 1).clip(min=0).sum())
        what = f"{missing} rows are missing" if missing else "rows repeat or overlap"
        raise ValueError(
            f"starts: expected a row every {step_s // 60} min, {what}, the first after {at}; a bill needs every row"
        )
    return step_s // 60


def _check_series(name: str, values: Floats, shape: tuple[int, ...]) -> None:
    wanted = shape if values.ndim == 2 else shape[1:]
    if values.shape != wanted:
        raise ValueError(f"{name}: expected the shape {wanted}, got {values.shape}")
    unknown = np.argwhere(~np.isfinite(values))
    if len(unknown):
        raise ValueError(
            f"{name}: {len(unknown)} values are no numbers, the first in row {int(unknown[0][-1])}; a bill needs every "
            "row, so fill or correct them first"
        )
    if name not in _SIGNED and (values < 0).any():
        row = int(np.argwhere(values < 0)[0][-1])
        raise ValueError(f"{name}: expected values of at least 0, got {values[..., row].min():g} in row {row}")
    if values.size and np.abs(values).max() > MOST_KWH:
        raise ValueError(f"{name}: expected at most {MOST_KWH:g} a row, got {np.abs(values).max():g}")
