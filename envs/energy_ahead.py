"""Energy by the month ahead: tiers, netting, banks and credits over steps to come, and what they came to so far."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gridbazaar.agents.excess import Excess
from gridbazaar.data.arrays import Array, host
from gridbazaar.data.trees import mapped
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.state import State
from gridbazaar.market.settlement.netting import (
    EnergyCarry,
    EnergyCharge,
    EnergyMonths,
    begun_energy,
    sum_of_windows,
)

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_NANO = 1e9
_SAME = 1e-9


class _Ahead(NamedTuple):
    """The steps ahead, and what was before them."""

    months: EnergyMonths
    now: EnergyCarry  # on the host, as the first step begins
    steps: Ints  # [n] of the bank, none after the end of the episode
    whole: Ints  # [n_episode] all of the episode
    n: int  # how far is looked
    is_last: bool  # whether the episode ends within it

    @property
    def none(self) -> Floats:
        return np.zeros(self.n)

    def on(self, chosen: NDArray[np.bool_], gain: Floats | float) -> Floats:
        """[n] the gain on chosen steps; after the end nothing counts."""
        found = self.none
        found[: len(self.steps)] = np.where(chosen, gain, 0.0)
        return found


def energy_ahead(core: Core, state: State, n_steps: int) -> tuple[Excess, ...]:
    """Give what of energy by the month lies in the next steps, on the host; none where intervals ask all."""
    by_month, carry = core.world.by_month, state.months
    if by_month is None or by_month.energy is None or carry is None or carry.energy is None:
        return ()
    months, held = mapped(by_month.energy, host), mapped(carry.energy, host)
    first, t = int(host(state.episode.start)[0]), int(host(state.t)[0])
    if t >= core.n_steps:
        return ()
    steps = first + np.arange(t, min(t + n_steps, core.n_steps))
    now = begun_energy(months, held, np.array([steps[0]]))
    whole = first + np.arange(core.n_steps)
    ahead = _Ahead(months, now, steps, whole, n_steps, steps[-1] == whole[-1])
    return tuple(_all(ahead))


def _all(ahead: _Ahead) -> Iterator[Excess]:
    months, chain = ahead.months, 0
    for i, charge in enumerate(months.charges):
        if charge.tiers is None:
            continue
        for one in _tiers(ahead, i, charge, chain):
            yield one
            chain = max(chain, one.chain + 1)
    if any(months.nets_in_kwh(charge) for charge in months.charges):
        yield from _netted(ahead, chain)
    elif months.rollover == "kwh":
        yield from _banks(ahead, chain)
    elif months.rollover == "money" or months.is_capped:
        yield from _credits(ahead, chain)


def _parts(begins: Array, steps: Ints) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    """Number the months or years among the steps, and say which steps are theirs."""
    part = np.cumsum(begins[steps])
    for k, which in enumerate(np.unique(part).tolist()):
        yield k, part == which


def _refused(ahead: _Ahead, why: str) -> Excess:
    return Excess(0, ahead.none, ahead.none, ahead.none, 0.0 * ahead.now.credit_cur, False, 0.0, why)


def _tiers(ahead: _Ahead, i: int, charge: EnergyCharge, chain: int) -> Iterator[Excess]:
    """Tiers of what is drawn: what is above each limit costs the rise of its price."""
    months, tiers = ahead.months, charge.tiers
    assert tiers is not None
    rises = np.diff(np.array(tiers.prices), axis=1)  # [n_windows + 1, n_tiers - 1]
    nets = charge.nets and (months.nets_in_kwh(charge) or months.rollover == "kwh")
    if charge.is_export or (rises < 0).any() or nets:
        what = "of what is fed in" if charge.is_export else "that net" if nets else "that fall"
        yield _refused(ahead, f"tiers {what} of a charge on energy")
        return
    if not tiers.is_by_window and (np.abs(rises - rises[:1]) > _SAME).any():
        yield _refused(ahead, "tiers that rise by more at some hours than at others, shared by all hours")
        return
    held = ahead.now.windows_ukwh[[c for c, x in enumerate(months.charges) if x.tiers is not None].index(i)] / MICRO
    total = sum_of_windows(months, ahead.now)[..., i] / MICRO
    before = ahead.now.before_ukwh[..., i] / MICRO if tiers.is_of_year else 0.0 * total
    begins = months.begins_calendar_year if tiers.is_of_year else months.begins_month
    window, due = months.charges[i].window[ahead.steps], months.charges[i].counts[ahead.steps] > 0
    groups = range(len(tiers.prices)) if tiers.is_by_window else [None]
    for w in groups:
        kwh = before + total if w is None else held[..., w]
        chosen = due if w is None else due & (window == w)
        for k, limit in enumerate(tiers.limits_kwh):
            rise = float(rises[0 if w is None else w, k]) * (1.0 + charge.vat_rate)
            for m, part in _parts(begins, ahead.steps):
                days = int(months.days[ahead.steps[part][0]]) if tiers.is_per_day else 1
                so_far = (kwh if m == 0 else 0.0 * kwh) - limit * days
                yield Excess(chain, ahead.on(part & chosen, 1.0), ahead.none, ahead.none, so_far, False, rise)
                chain += 1


def _prices(ahead: _Ahead, steps: Ints, *, is_export: bool) -> Floats:
    """[n] what a kWh of charges that net asks, with tax."""
    found = np.zeros(len(steps))
    for charge in ahead.months.charges:
        if charge.nets and charge.is_export == is_export:
            found = found + charge.price[steps] / _NANO * (1.0 + charge.vat_rate)
    return found


def _netted(ahead: _Ahead, chain: int) -> Iterator[Excess]:
    """Netting that keeps nothing: what is fed in beyond what is drawn earns less than the price of import."""
    months = ahead.months
    begins = months.begins_year if months.period == "year" else months.begins_month
    loses = _prices(ahead, ahead.whole, is_export=False) - _prices(ahead, ahead.whole, is_export=True)
    imports, exports = (_prices(ahead, ahead.whole, is_export=x) for x in (False, True))
    if max(np.ptp(imports), np.ptp(exports)) > _SAME:
        yield _refused(ahead, f"netting over a {months.period} at prices that change")
        return
    if loses[0] < -_SAME:
        yield _refused(ahead, f"netting over a {months.period} where export earns more than import costs")
        return
    drawn, fed_in = (ahead.now.flows_ukwh[..., side] / MICRO for side in (0, 1))
    for k, part in _parts(begins, ahead.steps):
        so_far = (months.share * fed_in - drawn) if k == 0 else 0.0 * drawn
        cost = max(float(loses[0]), 0.0)
        yield Excess(
            chain + k, ahead.on(part, -1.0), ahead.on(part, months.share), ahead.none, so_far, False, cost
        )  # fmt: skip


def _ends(ahead: _Ahead, part: NDArray[np.bool_]) -> tuple[bool, bool]:
    """Whether a month ends within what is seen, and whether it ends with a true-up."""
    last = int(np.flatnonzero(part)[-1])
    is_over = last + 1 < len(part) or ahead.is_last
    return is_over, is_over and bool(ahead.months.is_true_up[ahead.steps[last]])


def _banks(ahead: _Ahead, chain: int) -> Iterator[Excess]:
    """A bank of kWh, of hours of one price: what it holds when it is emptied, or at the end, was worth that price."""
    months, now = ahead.months, ahead.now
    price = np.zeros(months.n_classes)
    for charge in months.charges:
        if charge.nets and not charge.is_export:
            price = price + np.array(charge.class_price) * (1.0 + charge.vat_rate)
    paid = months.pays_cur_per_kwh * (1.0 + months.credit_vat_rate)
    if (price < paid - _SAME).any():
        yield _refused(ahead, "a true-up that pays more for a kWh than it costs")
        return
    for g in range(months.n_classes):
        was_emptied = False
        for k, part in _parts(months.begins_month, ahead.steps):
            mine = part & (months.price_class[ahead.steps] == g)
            is_over, is_emptied = _ends(ahead, part)
            is_end = is_over and ahead.is_last and bool(part[-1])
            cost = max(float(price[g]) - paid, 0.0) if is_emptied else float(price[g]) * is_end
            so_far = (now.bank_ukwh - now.classes_ukwh)[..., g] / MICRO if k == 0 else 0.0 * now.credit_cur
            gains = ahead.on(mine, -1.0), ahead.on(mine, 1.0), ahead.none
            yield Excess(chain + g, *gains, so_far, k > 0 and not was_emptied, cost)
            was_emptied = is_emptied


def _credits(ahead: _Ahead, chain: int) -> Iterator[Excess]:
    """Credits in money: what is left when they end, or of a month where none are kept, is lost."""
    months, now = ahead.months, ahead.now
    if months.pays_cur_per_kwh and months.rollover == "money" and months.is_true_up[ahead.whole].any():
        yield _refused(ahead, "kWh that are paid for at the true-up beside credits in money")
        return
    if any(charge.is_credited and charge.tiers is not None for charge in months.charges):
        yield _refused(ahead, "tiers beside credits in money")
        return
    draw, send, local = (np.zeros(len(ahead.steps)) for _ in range(3))
    due = 0.0 * now.credit_cur
    for i, charge in enumerate(months.charges):
        if not charge.is_credited:
            continue
        price = charge.price[ahead.steps] / _NANO
        due = due + now.due_cur[..., i] - now.base_cur[..., i]
        draw, send = (draw, send + price) if charge.is_export else (draw - price, send)
        if not charge.is_export:
            local = local - charge.kept * price
            send = send + price * (months.in_money and charge.nets)
    was_emptied = False
    for k, part in _parts(months.begins_month, ahead.steps):
        is_over, is_emptied = _ends(ahead, part)
        is_end = months.is_capped or is_emptied or (is_over and ahead.is_last and bool(part[-1]))
        frac = 1.0 - months.pays_frac * is_emptied
        so_far = (now.credit_cur - due) if k == 0 else 0.0 * due
        gains = ahead.on(part, draw), ahead.on(part, send), ahead.on(part, local)
        carries = k > 0 and not was_emptied and not months.is_capped
        yield Excess(chain, *gains, so_far, carries, is_end * frac * (1.0 + months.credit_vat_rate))
        was_emptied = is_emptied
