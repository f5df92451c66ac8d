"""The bill of a period: one pure function of a design and a metered series, and the same bill posted row by row.

Energies are whole micro-kWh, prices whole billionths; their products are summed undivided and divided once. Months are
those of the local clock. Positive is paid by the customer. Amounts are not rounded; ``ucur`` and ``cents`` round sums,
half a cent away from zero.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.market.billing.clock import LocalRows, local_rows
from gridbazaar.market.billing.energy import span_of
from gridbazaar.market.billing.lines import Carry, Work, month_lines, no_carry, prepare
from gridbazaar.market.billing.metered import Metered
from gridbazaar.market.charge import Peak
from gridbazaar.market.design import Design

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

VAT_LINE = "vat"
_CENT_UCUR = 10_000
_YEAR = 12


class Entry(NamedTuple):
    """A line of a bill and who receives it."""

    line: str
    to: str


@dataclass(frozen=True, slots=True, eq=False)
class Bill:
    """What customers owe, by month and line; value added tax is a line of its own, to the state."""

    design: Design
    months: tuple[tuple[int, int], ...]  # (year, month), local
    entries: tuple[Entry, ...]  # the last is value added tax
    cur: Floats  # [n_customers, n_months, n_entries] not rounded
    vat_cur: Floats  # [n_customers, n_months, n_entries] the tax that each entry carries; none on the last
    carry: Carry  # for the months that follow
    notes: tuple[str, ...] = ()

    @property
    def ucur(self) -> Ints:
        """[n_customers, n_months, n_entries] micro-units that add up to the rounded sum of each entry."""
        return _telescoped(np.cumsum(self.cur, axis=1))

    @property
    def total_cur(self) -> Floats:
        """[n_customers] of all months and entries."""
        found: Floats = self.cur.sum(axis=(1, 2))
        return found

    @property
    def cents(self) -> Ints:
        """[n_customers] the whole bill in cents."""
        return cents(self.total_cur)

    @property
    def month_cents(self) -> Ints:
        """[n_customers, n_months] in cents."""
        return cents(self.cur.sum(axis=2))

    def line_cur(self, line: str, with_vat: bool = False) -> Floats:
        """[n_customers, n_months] of one line, to whomever."""
        which = [i for i, entry in enumerate(self.entries) if entry.line == line]
        found: Floats = self.cur[..., which].sum(axis=-1)
        return found + self.vat_cur[..., which].sum(axis=-1) if with_vat else found

    def received_cur(self, party: str) -> Floats:
        """[n_customers, n_months] that a party receives; the state has value added tax too."""
        found: Floats = self.cur[..., [i for i, entry in enumerate(self.entries) if entry.to == party]].sum(axis=-1)
        return found


def bill(design: Design, data: Metered, *, carry: Carry | None = None, is_part: bool = False) -> Bill:
    """Bill a period.

    Args:
        design: under which.
        data: what was metered.
        carry: what the bill before this one left; none: customers without a past.
        is_part: bill a part of a year of netting; what it leaves is in the carry.

    Raises:
        ValueError: the period is not whole although the design needs that, or something that it needs is missing.
    """
    work, rows = _work(design, data, carry, is_part)
    return _drawn_up(work, rows, carry)


def _drawn_up(work: Work, rows: LocalRows, carry: Carry | None) -> Bill:
    months = list(_months(work, carry, running=False))
    amounts = [_merged(work, cur, vat) for cur, vat, _ in months]
    entries = amounts[0][0]
    return Bill(
        work.design, rows.months, entries, np.concatenate([cur for _, cur, _ in amounts], axis=1),
        np.concatenate([vat for _, _, vat in amounts], axis=1), months[-1][2], _notes(work.design, work.data),
    )  # fmt: skip


def postings(design: Design, data: Metered, *, carry: Carry | None = None, is_part: bool = False) -> Ints:
    """Post the bill row by row, as what is due arises: [n_customers, n_rows, n_entries] micro-units.

    A row brings what is due up to it less what was due before, so peaks cost as they rise, and resets and true-ups fall
    where they happen. The sum over the rows of a month is ``Bill.ucur``, entry by entry.
    """
    work, rows = _work(design, data, carry, is_part)
    billed = _drawn_up(work, rows, carry)
    so_far = np.cumsum(billed.cur, axis=1)
    parts = []
    for m, (cur, vat, _) in enumerate(_months(work, carry, running=True)):
        _, running, _ = _merged(work, cur, vat)
        before = so_far[:, m - 1 : m] if m else np.zeros((data.n_customers, 1, len(billed.entries)))
        running = before + running
        running[:, -1] = so_far[:, m]  # sums in another order differ by less than 1e-12
        parts.append(running)
    return _telescoped(np.concatenate(parts, axis=1))


def cents(cur: Floats | float) -> Ints:
    """Round money to cents, half a cent away from zero; what is closer than a micro-unit to half a cent is half."""
    ucur = np.rint(np.asarray(cur) * 1e6).astype(np.int64)
    found: Ints = np.sign(ucur) * ((np.abs(ucur) + _CENT_UCUR // 2) // _CENT_UCUR)
    return found


def _telescoped(so_far: Floats) -> Ints:
    """Round running sums, and give their steps."""
    whole = np.rint(so_far * 1e6).astype(np.int64)
    found: Ints = np.diff(whole, axis=1, prepend=0)
    return found


def _work(design: Design, data: Metered, carry: Carry | None, is_part: bool) -> tuple[Work, LocalRows]:
    rows = local_rows(design, data.starts, data.step_min, data.timezone)
    _check_period(design, rows, carry is not None or is_part)
    return prepare(design, data, rows), rows


def _months(work: Work, carry: Carry | None, running: bool) -> Iterator[tuple[Floats, Floats, Carry]]:
    now = no_carry(work) if carry is None else carry
    for m in range(len(work.rows.months)):
        cur, vat, now = month_lines(work, now, span_of(work.rows, m, running))
        yield cur, vat, now


def _merged(work: Work, cur: Floats, vat: Floats) -> tuple[tuple[Entry, ...], Floats, Floats]:
    """Sum columns of one line and receiver; those of rules that the design has not are left out."""
    n_charges, net = len(work.design.charges), work.design.netting
    has = (
        net.rollover == "money" or net.cap != "none", net.rollover != "none", work.design.premium is not None,
        work.data.local_paid_cur is not None, work.design.maximum is not None, work.design.minimum is not None,
    )  # fmt: skip
    used = [*range(n_charges), *(n_charges + i for i, is_so in enumerate(has) if is_so)]
    named = [Entry(work.columns[i].line, work.columns[i].to) for i in used]
    entries = (*dict.fromkeys(named), Entry(VAT_LINE, "state"))
    of = {entry: [i for i, other in zip(used, named, strict=True) if other == entry] for entry in entries[:-1]}
    net_cur = [cur[..., which].sum(axis=-1) for which in of.values()]
    taxes = [vat[..., which].sum(axis=-1) for which in of.values()]
    return (
        entries, np.stack([*net_cur, np.sum(taxes, axis=0)], axis=-1),
        np.stack([*taxes, np.zeros(taxes[0].shape)], axis=-1),
    )  # fmt: skip


def _check_period(design: Design, rows: LocalRows, may_be_part: bool) -> None:
    """Refuse a period that is not whole where the design bills months or years as a whole."""
    netting = design.netting
    by_year = netting.period == "year" or netting.true_up_month is not None
    if not (design.has_power or by_year):
        return
    what = "a charge on power" if design.has_power else "netting with a true-up"
    cut = [f"{year}-{month:02d}" for (year, month), whole in zip(rows.months, rows.is_whole, strict=True) if not whole]
    if cut:
        raise ValueError(
            f"design {design.name}: {what} is billed by whole months of the local clock; {', '.join(cut)} "
            f"{'is' if len(cut) == 1 else 'are'} not whole in the data"
        )
    if by_year and not may_be_part and len(rows.months) % _YEAR:
        raise ValueError(
            f"design {design.name}: export is netted over a year; expected 12 months or a multiple, got "
            f"{len(rows.months)} (is_part=True bills a part of a year and leaves the rest to the carry)"
        )
    if netting.period == "year" and not may_be_part and netting.rollover == "none":
        last = rows.months[-1][1]
        if last != (netting.true_up_month or _YEAR):
            raise ValueError(
                f"design {design.name}: its year of netting ends with month {netting.true_up_month or _YEAR}, the data "
                f"with month {last}"
            )


def _notes(design: Design, data: Metered) -> tuple[str, ...]:
    intervals = [(c.peak or Peak()).interval_min for c in design.charges if c.sort == "power"]
    if intervals and min(intervals) < data.step_min:
        return (
            f"its peaks are of {min(intervals)} min; rows of {data.step_min} min are means, so the true peak is higher",
        )
    return ()
