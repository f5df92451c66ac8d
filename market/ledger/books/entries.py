"""What may stand in a ledger: every kind of entry with its fields, in one table.

An entry is a plain JSON object, ``{"kind": ..., "txid": ..., ...}``, with exactly the fields of its kind. Energy is in
micro-kWh (``_ukwh``), money in micro-units of the currency (``_ucur``), prices in micro-units per kWh, times in
simulated seconds since the ledger began (``_s``); all of them integers below 2**53 in size. Signs are those of the
project: metered > 0 is drawn, paid > 0 is paid.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from gridbazaar.market.ledger.log.canonical import LARGEST, Entry

ASSETS = ("cash", "kwh", "claim", "rec", "co2", "right")
"""Classes of assets: money, delivered energy, the right to certify it, its two certificates, delivery rights."""

ISSUED_BY = dict.fromkeys(ASSETS, "registry") | {"cash": "bank", "kwh": "grid"}
RETIRED = "retired"
BUILT_IN = frozenset({"bank", "grid", "registry", RETIRED})
OPERATOR, COMMUNITY = "market_operator", "community_fund"


class Refused(ValueError):
    """An entry that the books do not take; the message names field and value."""


class Malformed(Refused):
    """An entry that does not have the form of its kind, so that nothing else can be said about it."""


class Field(NamedTuple):
    """What a field may hold."""

    holds: Callable[[Any], bool]
    expected: str


_RULE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}(?:#sha256=(?:[0-9a-f]{64}|unknown))?\Z").match
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}\Z").match
_ASSET = re.compile(
    r"(cash|(kwh|claim|rec|co2)/[A-Za-z0-9][A-Za-z0-9._-]{0,63}/[0-9]{1,16}|right/[0-9]{1,16}/[0-9]{1,16}/[0-9]{1,16})\Z"
).match
_HEX = re.compile(r"[0-9a-f]*\Z").match
_DID = re.compile(r"did:key:z[1-9A-HJ-NP-Za-km-z]{40,60}\Z").match


def _is_integer(x: Any) -> bool:
    return type(x) is int and -LARGEST <= x <= LARGEST


def _is_natural(x: Any) -> bool:
    return type(x) is int and 0 <= x <= LARGEST


def _is_positive(x: Any) -> bool:
    return type(x) is int and 0 < x <= LARGEST


def is_name(x: Any) -> bool:
    return type(x) is str and _NAME(x) is not None


def _is_rule(x: Any) -> bool:
    return type(x) is str and _RULE(x) is not None


def _is_text(x: Any) -> bool:
    return type(x) is str and 0 < len(x) <= 200 and x.isprintable()


def _is_did(x: Any) -> bool:
    return type(x) is str and _DID(x) is not None


def _hex(n_bytes: int) -> Field:
    def holds(x: Any) -> bool:
        return type(x) is str and len(x) == 2 * n_bytes and _HEX(x) is not None

    return Field(holds, f"{n_bytes} bytes as {2 * n_bytes} hexadecimal digits")


def _one_of(*values: str) -> Field:
    return Field(lambda x: type(x) is str and x in values, f"one of {', '.join(values)}")


def _or_null(field: Field) -> Field:
    return Field(lambda x: x is None or field.holds(x), f"{field.expected}, or null")


def _list(item: Field, *, least: int = 0) -> Field:
    def holds(x: Any) -> bool:
        return type(x) is list and len(x) >= least and all(map(item.holds, x))

    return Field(holds, f"a list of at least {least}, each {item.expected}")


def _row(*items: Field) -> Field:
    checks = [field.holds for field in items]

    def holds(x: Any) -> bool:
        return type(x) is list and len(x) == len(checks) and all([check(v) for check, v in zip(checks, x, strict=True)])

    return Field(holds, f"[{'; '.join(f.expected for f in items)}]")


def _map(value: Field) -> Field:
    def holds(x: Any) -> bool:
        return type(x) is dict and all(map(is_name, x)) and all(map(value.holds, x.values()))

    return Field(holds, f"an object of names, each with {value.expected}")


INTEGER = Field(_is_integer, "an integer below 2**53 in size")
NATURAL = Field(_is_natural, "an integer from 0 to 2**53 - 1")
POSITIVE = Field(_is_positive, "an integer from 1 to 2**53 - 1")
RULE = Field(_is_rule, "a name, and where the rule does not ship #sha256= and the hash of its code")
NAME = Field(is_name, "a name of 1 to 64 letters, digits, dots, dashes and underscores")
TEXT = Field(_is_text, "1 to 200 printable characters")
DID = Field(_is_did, "an Ed25519 did:key")
ASSET = Field(lambda x: type(x) is str and _ASSET(x) is not None, "an asset such as cash or rec/METER/INTERVAL")
SALT, HASH, SIGNATURE = _hex(16), _hex(32), _hex(64)
_PARTIES = _map(INTEGER)
_ORDER = _row(INTEGER, INTEGER)
_INTEGERS = _list(INTEGER)
_TRUTH = Field(lambda x: type(x) is bool, "true or false")
_STATED = Field(
    lambda x: x is None or any(f.holds(x) for f in (INTEGER, _INTEGERS, _TRUTH, _list(_TRUTH))),
    "an integer, true or false, a list of one of them, or null",
)

KINDS: Mapping[str, Mapping[str, Field]] = {
    # Who and what there is.
    "asset": {"asset": _one_of(*ASSETS), "unit": NAME, "factor_mg_per_kwh": NATURAL},  # the factor is that of co2
    "account": {"account": NAME, "role": NAME, "did": _or_null(DID)},
    "meter": {
        "meter": NAME, "account": NAME, "did": _or_null(DID), "node": NATURAL,
        "certifier": _or_null(NAME), "valid_until_s": NATURAL, "sig": _or_null(SIGNATURE),
    },
    "committee": {"committee": NAME, "members": _list(DID, least=3), "k": POSITIVE},
    "fund": {"account": NAME, "amount_ucur": POSITIVE},
    "credit": {"account": NAME, "limit_ucur": NATURAL},
    # The market of an interval.
    "gate": {
        "interval": NATURAL, "commit_until_s": NATURAL, "reveal_until_s": NATURAL, "start_s": NATURAL,
        "end_s": NATURAL, "floor_ucur_per_kwh": INTEGER, "cap_ucur_per_kwh": INTEGER,
        "penalty_ucur_per_kwh": NATURAL,  # of what the grid supplies in a seller's place
    },
    "tariff": {"interval": NATURAL, "ucur_per_kwh": _PARTIES},  # by name of ``settlement.Rates``
    "oracle": {
        "interval": NATURAL, "committee": NAME, "subject": TEXT, "account": _or_null(NAME), "value": INTEGER,
        "reports": _list(_row(DID, INTEGER, SIGNATURE), least=1),
    },
    "commit": {"interval": NATURAL, "account": NAME, "hash": HASH, "stake_ucur": NATURAL, "time_s": NATURAL},
    "reveal": {"interval": NATURAL, "account": NAME, "orders": _list(_ORDER), "salt": SALT, "time_s": NATURAL},
    "clear": {
        "interval": NATURAL, "time_s": NATURAL, "book": HASH, "void": _list(_row(NAME, NAME)),
        "mechanism": RULE, "options": _map(TEXT),  # values as JSON
        "setting": _map(_STATED), "unstated": _list(NAME),  # what the mechanism knew and no integer says
        "orders": _or_null(_list(_ORDER)),  # of a rule that prices metered energy; null: the revealed ones
        "agents": _list(NAME, least=1), "bus": _list(NATURAL), "lottery": _or_null(_list(NATURAL)),  # in 2**-53
        "fills": _list(_row(NATURAL, INTEGER, INTEGER, INTEGER)),  # column, traded and outside ukwh, pay ucur
        "price_ucur_per_kwh": _list(INTEGER, least=1),  # one for all orders, or one each
        "low_ucur_per_kwh": INTEGER, "high_ucur_per_kwh": INTEGER, "rent_ucur_per_kwh": INTEGER,
        "over_cap_ukwh": NATURAL, "pool_ukwh": INTEGER, "surplus_ucur": INTEGER, "volume_ukwh": NATURAL,
        "status": NATURAL, "carry": _or_null(_INTEGERS),
    },
    # Delivery and payment.
    "reading": {
        "interval": NATURAL, "meter": NAME, "account": NAME, "metered_ukwh": INTEGER, "generated_ukwh": NATURAL,
        "time_s": NATURAL, "salt": SALT, "sig": SIGNATURE,
    },
    "supply": {"interval": NATURAL, "meter": NAME, "account": NAME, "energy_ukwh": POSITIVE},
    "trade": {
        "interval": NATURAL, "seller": NAME, "buyer": NAME, "meter": NAME, "energy_ukwh": POSITIVE,
        "price_ucur_per_kwh": INTEGER, "pay_ucur": INTEGER, "receive_ucur": INTEGER, "time_s": NATURAL,
        "status": _one_of("settled"),
    },
    "award": {  # held ready in every interval from the next one to the last of the call
        "interval": NATURAL, "account": NAME, "begins": NATURAL, "ends": NATURAL,  # first and last interval of the call
        "award_ukwh": POSITIVE, "price_ucur_per_kwh": NATURAL, "ready_ucur_per_kwh": NATURAL,
        "missing_ucur_per_kwh": NATURAL, "tolerance_ppm": NATURAL, "stake_ucur": NATURAL,
    },
    "delivery": {
        "interval": NATURAL, "account": NAME, "award_ukwh": POSITIVE, "called_ukwh": NATURAL,
        "delivered_ukwh": NATURAL, "price_ucur_per_kwh": NATURAL, "pay_ucur": NATURAL, "ready_ucur": NATURAL,
        "slashed_ucur": NATURAL, "taken_ucur": NATURAL, "returned_ucur": NATURAL,
    },
    "response": {
        "interval": NATURAL, "account": NAME, "baseline_ukwh": NATURAL, "reduced_ukwh": NATURAL,
        "price_ucur_per_kwh": NATURAL, "pay_ucur": NATURAL,
    },
    "bill": {"interval": NATURAL, "line": NAME, "ucur": _PARTIES, "ukwh": _PARTIES},  # of ``settlement.LINES``
    "expire": {"interval": NATURAL, "tokens": _list(_row(NAME, NAME, POSITIVE))},  # holder, meter, energy
    # Certificates, rights and other transfers.
    "mint": {
        "interval": NATURAL, "account": NAME, "meter": NAME, "vintage": NATURAL, "reading": TEXT,
        "certificate": _one_of("rec", "co2"), "energy_ukwh": POSITIVE, "amount": POSITIVE,
    },
    "retire": {
        "interval": NATURAL, "account": NAME, "asset": ASSET, "amount": POSITIVE, "beneficiary": TEXT, "period": TEXT,
    },
    "right": {
        "interval": NATURAL, "account": NAME, "node": NATURAL, "vintage": NATURAL, "serial": NATURAL,
        "energy_ukwh": POSITIVE,
    },
    "transfer": {"interval": NATURAL, "sender": NAME, "receiver": NAME, "asset": ASSET, "amount": POSITIVE},
    # Stakes, and what turned out wrong.
    "stake": {"interval": NATURAL, "account": NAME, "amount_ucur": POSITIVE},
    "release": {"interval": NATURAL, "account": NAME, "amount_ucur": POSITIVE},
    "slash": {
        "interval": NATURAL, "account": NAME, "amount_ucur": POSITIVE, "reason": _one_of("no_reveal", "non_delivery"),
    },
    "correct": {"interval": NATURAL, "refers": TEXT, "reason": TEXT, "ucur": _PARTIES},
}  # fmt: skip

_CHECKS = {
    kind: tuple((name, field.holds, field.expected) for name, field in fields.items()) for kind, fields in KINDS.items()
}
_KEYS = {kind: frozenset({"kind", "txid", *fields}) for kind, fields in KINDS.items()}


def fault(entry: Any) -> str | None:
    """Say what is wrong with the form of an entry, with field and value; None if nothing is."""
    if type(entry) is not dict:
        return f"entry is {_short(entry)}, expected an object"
    kind = entry.get("kind")
    checks = _CHECKS.get(kind) if type(kind) is str else None
    if checks is None:
        return f"kind is {_short(kind)}, expected one of {', '.join(KINDS)}"
    assert kind is not None
    if entry.keys() != _KEYS[kind]:
        return _wrong_keys(entry, _KEYS[kind])
    if not _is_text(entry["txid"]):
        return f"txid is {_short(entry['txid'])}, expected {TEXT.expected}"
    for name, holds, expected in checks:
        if not holds(entry[name]):
            return f"{name} is {_short(entry[name])}, expected {expected}"
    return None


def asset_class(asset: str) -> str:
    """Give the class of an asset: ``rec`` of ``rec/roof_3/17``."""
    return asset.partition("/")[0]


def token(kind: str, meter: str, interval: int) -> str:
    """Name what a meter's energy of one interval became: ``kwh/roof_3/17``."""
    return f"{kind}/{meter}/{interval}"


def _wrong_keys(entry: Entry, keys: frozenset[str]) -> str:
    missing, unknown = sorted(keys - entry.keys()), sorted(map(str, entry.keys() - keys))
    named = [f"{name} is missing" for name in missing] + [f"{_short(name)} is unknown" for name in unknown]
    return f"{'; '.join(named[:5])}; an entry of kind {entry['kind']} has exactly {', '.join(sorted(keys))}"


def _short(value: Any) -> str:
    if type(value) is int and value.bit_length() > 128:
        return f"an integer of {value.bit_length()} bits"
    try:
        text = repr(value)
    except RecursionError:
        return "nested too deeply to be shown"
    return text if len(text) <= 80 else f"{text[:60]}... ({len(text)} characters)"
