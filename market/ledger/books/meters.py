"""Meters and committees: who may say what was measured, and how a signature shows it.

A meter signs its readings with a key of its own. A committee's value is the median of at least three signed reports,
so one liar moves it no further than to the next honest report. Keys and salts derive from a secret, so that the same
run gives the same bytes; where the secret is a public seed they show how the ledger works and protect nothing.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Sequence

from gridbazaar.market.ledger.books.entries import Refused
from gridbazaar.market.ledger.books.holdings import Holdings, Meter
from gridbazaar.market.ledger.log.canonical import Entry, canonical, write
from gridbazaar.market.ledger.log.keys import Signer, public_key_of, verify_signature

_UNSIGNED = ("txid", "sig")


def derive(secret: bytes, *names: str | int) -> bytes:
    """Derive 32 bytes for a purpose: HMAC-SHA256 of its names."""
    return hmac.digest(secret, "/".join(map(str, names)).encode(), hashlib.sha256)


def signed(entry: Entry, signer: Signer) -> Entry:
    """Give the entry with its signature, over all fields but ``txid`` and ``sig``."""
    return entry | {"sig": signer.sign(canonical(_unsigned(entry))).hex()}


def report(signer: Signer, committee: str, interval: int, subject: str, value: int) -> list[str | int]:
    """Give a member's signed report: [did, value, signature]."""
    return [signer.did, value, signer.sign(_report_message(committee, interval, subject, value)).hex()]


def median(values: Sequence[int]) -> int:
    """Give the middle value, the lower one of two."""
    return sorted(values)[(len(values) - 1) // 2]


def _unsigned(entry: Entry) -> Entry:
    return {name: value for name, value in entry.items() if name not in _UNSIGNED}


def _report_message(committee: str, interval: int, subject: str, value: int) -> bytes:
    return canonical({"committee": committee, "interval": interval, "subject": subject, "value": value})


def _meter(holdings: Holdings, interval: int, entry: Entry) -> None:
    name, account, certifier = entry["meter"], entry["account"], entry["certifier"]
    if name in holdings.known.meters:
        raise Refused(f"meter is {name!r}, which was registered before")
    if account not in holdings.known.keys:
        raise Refused(f"account is {account!r}, expected one that was opened")
    if (certifier is None) != (entry["sig"] is None):
        raise Refused(f"certifier is {certifier!r} and sig {entry['sig']!r}, expected both or none")
    if certifier is not None:
        key = holdings.known.keys.get(certifier)
        if key is None or not verify_signature(key, bytes.fromhex(entry["sig"]), write(_unsigned(entry))):
            raise Refused(f"sig is not that of {certifier!r} over this meter's registration")
    key = None if entry["did"] is None else read_key("did", entry["did"])
    holdings.put(holdings.known.meters, name, Meter(account, key, entry["valid_until_s"]))


def _reading(holdings: Holdings, interval: int, entry: Entry) -> None:
    name = entry["meter"]
    meter, gate = holdings.known.meters.get(name), holdings.open.gate.get("gate")
    if meter is None or meter.account != entry["account"]:
        raise Refused(f"meter is {name!r}, expected one of {entry['account']!r}")
    if name in holdings.open.metered:
        raise Refused(f"meter is {name!r}, which was read in interval {interval} already")
    if gate is None or entry["time_s"] < gate["end_s"]:
        when = "which has no gate" if gate is None else f"which ends at {gate['end_s']}"
        raise Refused(f"time_s is {entry['time_s']}, expected after interval {interval}, {when}")
    if entry["time_s"] > meter.valid_until_s:
        raise Refused(f"time_s is {entry['time_s']}, expected at most {meter.valid_until_s}: {name!r} is out of date")
    if meter.public_key is None or not verify_signature(
        meter.public_key, bytes.fromhex(entry["sig"]), write(_unsigned(entry))
    ):
        raise Refused(f"sig is not the meter signature of {name!r} over this reading")
    holdings.put(holdings.open.metered, name, entry["metered_ukwh"])
    if entry["generated_ukwh"]:
        holdings.put(holdings.known.generated, entry["txid"], (name, interval, entry["generated_ukwh"]))


def _committee(holdings: Holdings, interval: int, entry: Entry) -> None:
    name, members, k = entry["committee"], entry["members"], entry["k"]
    if name in holdings.known.committees:
        raise Refused(f"committee is {name!r}, which was formed before")
    if len(set(members)) < len(members) or not 3 <= k <= len(members):
        raise Refused(f"k is {k} of {len(set(members))} members, expected 3 to all of them; fewer bear no liar")
    for did in members:
        read_key("members", did)
    holdings.put(holdings.known.committees, name, (frozenset(members), k))


def _oracle(holdings: Holdings, interval: int, entry: Entry) -> None:
    name, reports, subject = entry["committee"], entry["reports"], entry["subject"]
    if name not in holdings.known.committees:
        raise Refused(f"committee is {name!r}, expected one that was formed")
    members, k = holdings.known.committees[name]
    for did, value, signature in reports:
        message = _report_message(name, interval, subject, value)
        if did not in members or not verify_signature(read_key("reports", did), bytes.fromhex(signature), message):
            raise Refused(f"reports hold one of {did} that is not signed by this member of {name!r}")
    if len({did for did, _, _ in reports}) < len(reports) or len(reports) < k:
        raise Refused(f"reports are {len(reports)}, expected at least {k}, each of another member")
    if entry["value"] != (middle := median([value for _, value, _ in reports])):
        raise Refused(f"value is {entry['value']}, expected {middle}, the median of the reports")
    _reads_for_a_meter(holdings, interval, entry)


def _reads_for_a_meter(holdings: Holdings, interval: int, entry: Entry) -> None:
    """A committee may read for a meter that is silent."""
    account, name = entry["account"], entry["subject"].removeprefix("reading/")
    is_reading = name != entry["subject"]
    meter = holdings.known.meters.get(name) if is_reading else None
    if is_reading and (meter is None or meter.account != account):
        raise Refused(f"account is {account!r}, expected that of the meter {name!r}")
    if not is_reading and account is not None:
        raise Refused(f"account is {account!r}, expected null, as the subject is no reading")
    if is_reading and name in holdings.open.metered:
        raise Refused(f"subject is {entry['subject']!r}; the meter was read in interval {interval} already")
    if is_reading:
        holdings.put(holdings.open.metered, name, entry["value"])


def read_key(field: str, did: str) -> bytes:
    """Read a public key from a field."""
    try:
        return public_key_of(did)
    except ValueError as error:
        raise Refused(f"{field} is {did!r}: {error}") from error


RULES: dict[str, Callable[[Holdings, int, Entry], None]] = {
    "meter": _meter,
    "reading": _reading,
    "committee": _committee,
    "oracle": _oracle,
}
