"""The scribe of an audited run: a ``Transition`` written down as the entries of one ledger interval.

Integers stay as they are. An interval's entries are gate and tariff, sealed bids and their opening, the clearing,
signed readings, trades delivered against payment, the other lines of the bill, and certificates for what was generated.
A rule that prices metered energy has no bids: it clears after the readings, and so is an island settled.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

import numpy as np

from gridbazaar.data.registry import stated
from gridbazaar.data.units import MICRO
from gridbazaar.envs.core import Core
from gridbazaar.envs.state import Transition
from gridbazaar.experiments.audit.households import Book, Households
from gridbazaar.experiments.audit.opening import POOL_METER, STAKE_UCUR, opening, stake
from gridbazaar.market.flexibility.activation import penalty_ucur_per_kwh
from gridbazaar.market.ledger.books.bus_prices import known_of_wires
from gridbazaar.market.ledger.books.certificates import minted
from gridbazaar.market.ledger.books.entries import OPERATOR
from gridbazaar.market.ledger.books.meters import derive, signed
from gridbazaar.market.ledger.books.reclear import clear_of, lottery_of, setting_of
from gridbazaar.market.ledger.books.sealed_bids import book_hash, commitment
from gridbazaar.market.ledger.books.trades import POOL, account_payments, pairwise
from gridbazaar.market.ledger.log.canonical import LARGEST, Entry
from gridbazaar.market.ledger.log.keys import Signer
from gridbazaar.market.mechanisms import SORT, mechanism_stage
from gridbazaar.market.settlement.customers import of_customers
from gridbazaar.market.settlement.position import position_of
from gridbazaar.market.settlement.settle import LINES, SYSTEM_PARTIES

_COMMIT_S, _REVEAL_S = 120, 60  # before delivery begins


class Scribe:
    """Writes the intervals of one run as entries.

    Args:
        core: whose transitions come.
        secret: what keys and salts derive from.
    """

    def __init__(self, core: Core, secret: bytes) -> None:
        self.operator = Signer(derive(secret, "operator"))
        self._core, self._secret = core, secret
        self._agents = core.agents
        self._mechanism = stated(core.scenario.mechanism, SORT)
        self._prices_metered = mechanism_stage(core.scenario.mechanism) == "ex_post"
        self._step_s = core.scenario.step_min * 60
        self._who = Households(core)
        self._account = dict(zip(core.agents, self._who.of_agent, strict=True))
        self._meters = {agent: Signer(derive(secret, "meter", agent)) for agent in core.agents}

    def entries(
        self, interval: int, happened: Transition, env: int = 0, *, is_first: bool = False, is_last: bool = False
    ) -> list[Entry]:
        """Give the entries of one interval of one environment; the first one opens accounts, the last frees stakes."""
        bids = self._who.bids(happened.market.orders, env)
        is_metered = self._is_metered(happened, env)
        sealed = [] if is_metered else self._sealed(interval, bids)
        clear = self._clear(interval, happened, env, sealed, bids)
        readings = self._readings(interval, happened, env)
        delivered = self._delivered(interval, happened, env)
        written = [
            *(
                opening(self._core, self._secret, self._meters, self._who.accounts, self._who.of_agent)
                if is_first
                else []
            ),
            self._gate(interval, happened, env),
            self._tariff(interval, happened, env),
            *sealed,
            *([*readings, clear] if is_metered else [clear, *readings]),
            *delivered,
            *self._called(interval, happened, env),
            *self._bills(interval, happened, env, account_payments(delivered)),
            *self._mints(interval, readings),
        ]
        if is_last:
            written += [stake("release", interval, account) for account in self._who.accounts]
        return written

    def _is_metered(self, happened: Transition, env: int) -> bool:
        """Say whether what the meters say is what was settled: under such a rule nobody bids, and on an island bids
        are overtaken by what flowed."""
        island = happened.market.setting.is_island
        return self._prices_metered or (island is not None and bool(island[env]))

    def _times(self, interval: int) -> tuple[int, int, int, int]:
        """When commitments end, revealing ends, delivery begins and ends."""
        start = (interval + 1) * self._step_s
        return start - _COMMIT_S, start - _REVEAL_S, start, start + self._step_s

    def _gate(self, interval: int, happened: Transition, env: int) -> Entry:
        commit, reveal, start, end = self._times(interval)
        # What members agreed to pay has no band, nor has a bus behind a full wire, nor lost load.
        is_free = self._is_metered(happened, env) or happened.market.setting.wires is not None
        floor, cap = (-LARGEST, LARGEST) if is_free else _band(happened.market.setting, env)
        return {
            "kind": "gate", "txid": f"{interval}/gate", "interval": interval,
            "commit_until_s": commit, "reveal_until_s": reveal, "start_s": start, "end_s": end,
            "floor_ucur_per_kwh": floor, "cap_ucur_per_kwh": cap,
            "penalty_ucur_per_kwh": 0,  # the bill settles non-delivery, as imbalance
        }  # fmt: skip

    def _tariff(self, interval: int, happened: Transition, env: int) -> Entry:
        rates = {
            field.name: int(getattr(happened.market.rates, field.name)[env]) for field in fields(happened.market.rates)
        }
        return {"kind": "tariff", "txid": f"{interval}/tariff", "interval": interval, "ucur_per_kwh": rates}

    def _sealed(self, interval: int, bids: list[list[list[int]]]) -> list[Entry]:
        commit_until, reveal_until, _, _ = self._times(interval)
        commits: list[Entry] = []
        reveals: list[Entry] = []
        for agent, orders in zip(self._who.members, bids, strict=True):
            salt = self._salt("bid", agent, interval)
            commits.append({
                "kind": "commit", "txid": f"{interval}/commit/{agent}", "interval": interval, "account": agent,
                "hash": commitment(agent, interval, orders, salt), "stake_ucur": STAKE_UCUR, "time_s": commit_until,
            })  # fmt: skip
            reveals.append({
                "kind": "reveal", "txid": f"{interval}/reveal/{agent}", "interval": interval, "account": agent,
                "orders": orders, "salt": salt, "time_s": reveal_until,
            })  # fmt: skip
        return commits + reveals

    def _clear(
        self, interval: int, happened: Transition, env: int, sealed: list[Entry], bids: list[list[list[int]]]
    ) -> Entry:
        """What became of the sealed bids, or of metered energy if there are none."""
        scenario, (_, reveal_until, _, end) = self._core.scenario, self._times(interval)
        book, n = self._who.book(happened, env), len(self._who.members)
        rows = np.stack([book.orders.energy_ukwh[book.env], book.orders.limit_ucur_per_kwh[book.env]], axis=1)
        return {
            "kind": "clear", "txid": f"{interval}/clear", "interval": interval,
            "time_s": reveal_until if sealed else end,
            "book": book_hash([entry["hash"] for entry in sealed if entry["kind"] == "commit"]), "void": [],
            "mechanism": self._mechanism,
            "options": {name: json.dumps(value) for name, value in scenario.mechanism_options.items()},
            "orders": None if sealed else rows.tolist(), "agents": list(self._who.members),
            "bus": np.asarray(book.orders.bus[:n]).tolist(), "lottery": lottery_of(book.orders, book.env),
        } | self._known(book) | clear_of(book.clearing, book.env)  # fmt: skip

    def _known(self, book: Book) -> Entry:
        stated = setting_of(book.setting, book.env)
        stated["setting"] |= known_of_wires(book.setting, np.asarray(self._core.world.connections).tolist())
        return stated

    def _readings(self, interval: int, happened: Transition, env: int) -> list[Entry]:
        """What the meters say; production meters are floats until here and are rounded once."""
        metered = happened.delivery.metered_ukwh[env].tolist()
        generated = np.rint(happened.devices.pv_kwh[env] * MICRO).astype(np.int64).tolist()
        return [
            signed(
                {
                    "kind": "reading", "txid": f"{interval}/reading/{agent}", "interval": interval, "meter": agent,
                    "account": account, "metered_ukwh": net, "generated_ukwh": max(made, 0),
                    "time_s": self._times(interval)[3], "salt": self._salt("reading", agent, interval),
                },
                self._meters[agent],
            )
            for agent, account, net, made in zip(self._agents, self._who.of_agent, metered, generated, strict=True)
        ]  # fmt: skip

    def _delivered(self, interval: int, happened: Transition, env: int) -> list[Entry]:
        """Trades, what the grid supplies in place of sellers, and the end of the interval's energy."""
        clearing, owner = happened.market.clearing, happened.market.orders.agent
        pairs = pairwise(
            clearing.traded_ukwh[env], clearing.pay_ucur[env], owner, clearing.price_ucur_per_kwh[env]
        )  # fmt: skip
        held = {
            (account, agent): max(-int(net), 0)
            for agent, account, net in zip(
                self._agents, self._who.of_agent, happened.delivery.metered_ukwh[env], strict=True
            )
        }
        sold: dict[str, int] = {}
        trades: list[Entry] = []
        for pair in pairs:
            seller, buyer = (OPERATOR if c == POOL else self._who.of_agent[owner[c]] for c in (pair.seller, pair.buyer))
            if seller == buyer:
                continue
            for meter, part in self._who.from_meters(seller, pair, held, sold):
                sold[meter] = sold.get(meter, 0) + part.energy_ukwh
                held[buyer, meter] = held.get((buyer, meter), 0) + part.energy_ukwh
                trades.append({
                    "kind": "trade", "txid": f"{interval}/trade/{len(trades)}", "interval": interval, "seller": seller,
                    "buyer": buyer, "meter": meter, "energy_ukwh": part.energy_ukwh,
                    "price_ucur_per_kwh": part.price_ucur_per_kwh, "pay_ucur": part.pay_ucur,
                    "receive_ucur": part.receive_ucur, "time_s": self._times(interval)[3], "status": "settled",
                })  # fmt: skip
        supplied: list[Entry] = []
        for meter, energy in sold.items():
            account = OPERATOR if meter == POOL_METER else self._account[meter]
            left = held.pop((account, meter), 0) - energy
            if left < 0:
                supplied.append({
                    "kind": "supply", "txid": f"{interval}/supply/{meter}", "interval": interval, "meter": meter,
                    "account": account, "energy_ukwh": -left,
                })  # fmt: skip
            held[account, meter] = max(left, 0)
        tokens = [[account, meter, energy] for (account, meter), energy in held.items() if energy]
        ended = {"kind": "expire", "txid": f"{interval}/expire", "interval": interval, "tokens": tokens}
        return [*supplied, *trades, ended]

    def _bills(self, interval: int, happened: Transition, env: int, traded: dict[str, int]) -> list[Entry]:
        """One entry a line; of the market's line, what trades have not paid."""
        parties = (*self._who.of_agent, *SYSTEM_PARTIES)
        energy = self._energy_of_lines(happened, env)
        bills: list[Entry] = []
        for line, row in zip(LINES, happened.money.bill.ucur[env].tolist(), strict=True):
            ucur = _by_account(parties, row)
            if line == "market":
                ucur = {party: amount - traded.get(party, 0) for party, amount in ucur.items()}
            ukwh = {a: e for a, e in _by_account(self._who.of_agent, energy.get(line, [])).items() if e}
            ucur = {party: amount for party, amount in ucur.items() if amount or party in ukwh}
            if ucur:
                bills.append({
                    "kind": "bill", "txid": f"{interval}/bill/{line}", "interval": interval, "line": line, "ucur": ucur,
                    "ukwh": ukwh,
                })  # fmt: skip
        return bills

    def _energy_of_lines(self, happened: Transition, env: int) -> dict[str, list[int]]:
        """The energy that a line of the bill is about, by agent."""
        is_brp, delivery, answer = self._core.world.is_brp, happened.delivery, happened.money.answer
        clearing, delivery = of_customers(happened.market.clearing, delivery, self._core.world.customers)
        position = position_of(clearing, delivery, prices_metered=self._prices_metered)
        retail = position.retail_ukwh(is_brp)
        drawn = np.maximum(position.local_ukwh, 0) + np.maximum(retail, 0)
        paid_for = delivery.lost_ukwh * self._core.scenario.connection.firm
        lines = {
            "retail": retail,
            "imbalance": position.imbalance_ukwh(is_brp),
            "network": drawn,
            "tax": drawn,
            "losses": paid_for if self._prices_metered else delivery.curtailed_ukwh,
            "flexibility": 0 * retail if answer is None else -answer.delivered_ukwh,
        }
        return {line: energy[env].tolist() for line, energy in lines.items()}

    def _called(self, interval: int, happened: Transition, env: int) -> list[Entry]:
        """What was delivered of awards, what homes drew less, then new awards."""
        answer = happened.money.answer
        if answer is None:
            return []
        services, written = answer.services, list[Entry]()
        names = (
            "award_ukwh", "called_ukwh", "delivered_ukwh", "price_ucur_per_kwh", "pay_ucur", "ready_ucur", "taken_ucur",
            "returned_ucur",
        )  # fmt: skip
        for i, agent in enumerate(self._agents):
            if answer.award_ukwh[env, i]:
                figures = {name: int(getattr(answer, name)[env, i]) for name in names}
                figures["slashed_ucur"] = int(services.slashed_ucur[env, i])
                written.append(
                    {
                        "kind": "delivery",
                        "txid": f"{interval}/delivery/{agent}",
                        "interval": interval,
                        "account": self._account[agent],
                    }
                    | figures
                )
        config, response = self._core.scenario.call, answer.response
        price, ready, cap = (
            round(x * MICRO)
            for x in (config.response_cur_per_kwh, config.availability_cur_per_kwh, config.price_cur_per_kwh)
        )
        for i, agent in enumerate(self._agents):
            if response is not None and response.baseline_ukwh[env, i] >= 0:
                written.append({
                    "kind": "response", "txid": f"{interval}/response/{agent}", "interval": interval,
                    "account": self._account[agent], "baseline_ukwh": int(response.baseline_ukwh[env, i]),
                    "reduced_ukwh": int(response.reduced_ukwh[env, i]), "price_ucur_per_kwh": price,
                    "pay_ucur": int(response.pay_ucur[env, i]),
                })  # fmt: skip
        for i, agent in enumerate(self._agents):
            if answer.new_award_ukwh[env, i]:
                written.append({
                    "kind": "award", "txid": f"{interval}/award/{agent}", "interval": interval,
                    "account": self._account[agent],
                    "begins": interval + int(answer.new_begin[env, i]), "ends": interval + int(answer.new_end[env, i]),
                    "award_ukwh": int(answer.new_award_ukwh[env, i]),
                    "price_ucur_per_kwh": int(answer.new_price_ucur_per_kwh[env, i]), "ready_ucur_per_kwh": ready,
                    "missing_ucur_per_kwh": penalty_ucur_per_kwh(cap, config.terms),
                    "tolerance_ppm": round(config.tolerance * MICRO),
                    "stake_ucur": int(services.staked_ucur[env, i] + answer.returned_ucur[env, i]),
                })  # fmt: skip
        return written

    def _mints(self, interval: int, readings: list[Entry]) -> list[Entry]:
        return [
            {
                "kind": "mint", "txid": f"{interval}/mint/{reading['meter']}", "interval": interval,
                "account": reading["account"], "meter": reading["meter"], "vintage": interval,
                "reading": reading["txid"], "certificate": "rec", "energy_ukwh": reading["generated_ukwh"],
                "amount": minted("rec", reading["generated_ukwh"], 0),
            }
            for reading in readings
            if reading["generated_ukwh"]
        ]  # fmt: skip

    def _salt(self, what: str, agent: str, interval: int) -> str:
        return derive(self._secret, "salt", what, agent, interval)[:16].hex()


def _by_account(accounts: Sequence[str], amounts: Sequence[int]) -> dict[str, int]:
    """Sum amounts of agents by their accounts, in their order."""
    found: dict[str, int] = {}
    for account, amount in zip(accounts, amounts, strict=False):
        found[account] = found.get(account, 0) + amount
    return found


def _band(setting: Any, env: int) -> tuple[int, int]:
    """Floor and cap of local prices: the retailer's band, widened by what a full connection may cost."""
    edges = [int(x[env]) for x in (setting.export_ucur_per_kwh, setting.import_ucur_per_kwh) if x is not None]
    if len(edges) < 2:
        return -LARGEST, LARGEST
    below, above = (
        0 if x is None else int(x[env])
        for x in (setting.export_scarcity_ucur_per_kwh, setting.import_scarcity_ucur_per_kwh)
    )
    return min(edges) - below, max(edges) + above
