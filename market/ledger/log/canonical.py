"""Canonical JSON: one value, one sequence of bytes, so that a hash or a signature of an entry means one thing.

The bytes are those of RFC 8785 for objects, lists, strings, integers, booleans and null. Fractions are refused: the
ledger counts in micro-units, and a float that is printed in two ways would be two entries.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, TypeAlias

Entry: TypeAlias = dict[str, Any]
"""One record of the log, as in the file: ``{"kind": ..., "txid": ..., ...}``."""

LARGEST = 2**53 - 1
"""Integers beyond it are not the same in every JSON reader (RFC 8785, 3.2.2.3)."""

DEEPEST = 16
MOST_BYTES = 65_536
_DIGITS = len(str(LARGEST)) + 1  # with a sign
_DIGITS_TO_0 = bytes.maketrans(b"123456789", b"0" * 9)
_MAY_BE_LARGE = b"0" * 16  # digits in a row, in a number or in a text


class CanonicalError(ValueError):
    """A value that has no canonical bytes, or bytes that are not those of their value."""


def canonical(value: Any) -> bytes:
    """Give the canonical bytes of a value made of dict, list, str, int, bool and None."""
    _check(value, "value", DEEPEST)
    body = write(value)
    if len(body) > MOST_BYTES:
        raise CanonicalError(f"value has {len(body)} bytes, expected at most {MOST_BYTES}")
    return body


def parse(body: bytes, *, most_bytes: int = MOST_BYTES, deepest: int = DEEPEST) -> Entry:
    """Read one entry; bytes that differ in anything from the canonical ones of what they say are refused.

    So are duplicate keys, spaces, escapes without need and keys out of order: none survives being written again.
    """
    entry = _decoded(body, most_bytes, deepest)
    if write(entry) != body:
        raise CanonicalError("body is not canonical: a key is double or out of order, or a space or escape is needless")
    return entry


def parse_all(bodies: Sequence[bytes]) -> list[Entry | CanonicalError]:
    """Read many entries as ``parse`` does, which is faster; in place of one that is refused stands the reason.

    All are written again in one go. No JSON object is the beginning of another one, so bodies that are equal one
    behind the other are equal one by one.
    """
    read = [_or_reason(_decoded, body) for body in bodies]
    sound = [(entry, body) for entry, body in zip(read, bodies, strict=True) if type(entry) is dict]
    try:
        if write([entry for entry, _ in sound]) == b"[%b]" % b",".join([body for _, body in sound]):
            return read
    except CanonicalError:
        pass  # one of them cannot be written: find out which
    return [_or_reason(parse, body) for body in bodies]


def _or_reason(reader: Callable[[bytes], Entry], body: bytes) -> Entry | CanonicalError:
    try:
        return reader(body)
    except CanonicalError as error:
        return error


def _decoded(body: bytes, most_bytes: int = MOST_BYTES, deepest: int = DEEPEST) -> Entry:
    if len(body) > most_bytes:
        raise CanonicalError(f"body has {len(body)} bytes, expected at most {most_bytes}")
    try:
        decoder = _WARY_DECODER if _MAY_BE_LARGE in body.translate(_DIGITS_TO_0) else _DECODER
        text = body.decode("utf-8")
        value, end = decoder.raw_decode(text)
        if end < len(text):
            raise json.JSONDecodeError("more than one value", text, end)
    except RecursionError:
        raise CanonicalError(f"body is nested deeper than {deepest}") from None
    except UnicodeDecodeError as error:
        raise CanonicalError(f"body is not UTF-8 at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise CanonicalError(f"body is not JSON at byte {error.pos}: {error.msg}") from None
    if type(value) is not dict:
        raise CanonicalError(f"body is a JSON {type(value).__name__}, expected an object")
    if body.count(b"{") + body.count(b"[") > deepest:
        _check(value, "body", deepest)
    return value


def _check(value: Any, where: str, depth: int) -> None:
    """Refuse what JSON would change or RFC 8785 would not keep; exact types, so that no subclass prints otherwise."""
    kind = type(value)
    if kind is str or kind is bool or value is None:
        return
    if kind is int:
        if not -LARGEST <= value <= LARGEST:
            raise CanonicalError(f"{where} is {_short(value)}, expected less than 2**53 in size")
    elif kind is dict or kind is list:
        if depth == 0:
            raise CanonicalError(f"{where} is nested deeper than {DEEPEST}")
        for key, item in value.items() if kind is dict else enumerate(value):
            if kind is dict and type(key) is not str:
                raise CanonicalError(f"{where} has the key {key!r}, expected a string")
            _check(item, str(key) if where in ("value", "body") else f"{where}.{key}", depth - 1)
    else:
        raise CanonicalError(f"{where} is {value!r} ({kind.__name__}), expected an integer, string, list or object")


def write(value: Any) -> bytes:
    """Give the canonical bytes of what was checked, by ``canonical``, ``parse`` or the form of its entry.

    Python sorts keys by code points, RFC 8785 by UTF-16 units: equal unless not ASCII.
    """
    text = _ENCODER.encode(value)
    if not text.isascii():
        text = _UNSORTED.encode(_sorted(value))
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CanonicalError(f"text holds half a surrogate pair, {error.object[error.start]!r}") from None


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be", "surrogatepass"))
        return {key: _sorted(value[key]) for key in keys}
    if isinstance(value, list):
        return [_sorted(item) for item in value]
    return value


def _integer(digits: str) -> int:
    if len(digits) > _DIGITS or abs(int(digits)) > LARGEST:
        raise CanonicalError(f"body holds {_short(digits)}, expected less than 2**53 in size")
    return int(digits)


def _refuse_fraction(text: str) -> NoReturn:
    raise CanonicalError(f"body holds {_short(text)}, expected an integer")


def _short(value: Any) -> str:
    if isinstance(value, int) and value.bit_length() > 128:
        return f"an integer of {value.bit_length()} bits"
    text = str(value)
    return text if len(text) <= 40 else f"{text[:20]}... ({len(text)} characters)"


_ENCODER = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
)
_UNSORTED = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False)
_DECODER = json.JSONDecoder(parse_float=_refuse_fraction, parse_constant=_refuse_fraction)
_WARY_DECODER = json.JSONDecoder(parse_int=_integer, parse_float=_refuse_fraction, parse_constant=_refuse_fraction)
