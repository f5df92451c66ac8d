"""Canonical JSON: the bytes of RFC 8785, and what is no entry is refused with a reason."""

from __future__ import annotations

import json
import struct
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from gridbazaar.market.ledger.log.canonical import (
    DEEPEST,
    LARGEST,
    MOST_BYTES,
    CanonicalError,
    canonical,
    parse,
    parse_all,
)

TEXT = st.text(st.characters(codec="utf-8"), max_size=12)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST, LARGEST) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
TRADE = {
    "kind": "trade", "txid": "t-3-17", "seller": "home_4", "buyer": "ev_2", "energy_ukwh": 1_250_000,
    "price_ucur_per_kwh": 180_000, "pay_ucur": 225_000, "timestamp": "2024-06-01T12:15:00Z", "status": "settled",
}  # fmt: skip


@given(VALUES)
def test_bytes_are_those_of_rfc8785(value: Any) -> None:
    assert canonical(value) == rfc8785.dumps(value)


@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_what_is_written_is_read_again(value: dict[str, Any]) -> None:
    assert parse(canonical(value)) == value


@given(st.dictionaries(st.text(st.characters(codec="ascii")), st.integers(-LARGEST, LARGEST) | TEXT, max_size=9))
def test_the_json_of_python_gives_the_same_bytes_for_integers_and_ascii_keys(value: dict[str, Any]) -> None:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    assert text.encode() == canonical(value) == rfc8785.dumps(value)


def test_keys_are_sorted_by_utf16_units() -> None:
    """RFC 8785, 3.2.3: the emoji (a surrogate pair) stands before U+FB33, though its code point is larger."""
    keys = ["\u20ac", "\r", "\ufb33", "1", "\U0001f600", "\u0080", "\u00f6"]
    body = canonical(dict.fromkeys(keys, 0))
    assert [*json.loads(body)] == ["\r", "1", "\u0080", "\u00f6", "\u20ac", "\U0001f600", "\ufb33"]
    assert body == rfc8785.dumps(dict.fromkeys(keys, 0))


def test_the_string_and_the_literals_of_rfc8785_have_their_bytes() -> None:
    """RFC 8785, 3.2.2 without its numbers, which are fractions."""
    value = {"string": '\u20ac$\u000f\nA\'B"\\\\"/', "literals": [None, True, False]}
    body = canonical(value)
    assert body.hex().startswith("7b226c69746572616c73223a5b6e756c6c2c")
    assert body.hex().endswith("5c5c5c5c5c222f227d")
    assert body == rfc8785.dumps(value)


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        ("0000000000000001", "5e-324"),
        ("7fefffffffffffff", "1.7976931348623157e+308"),
        ("4340000000000000", "9007199254740992"),
        ("44b52d02c7e14af6", "1e+23"),
        ("3eb0c6f7a0b5ed8d", "0.000001"),
        ("becbf647612f3696", "-0.0000033333333333333333"),
        ("43143ff3c1cb0959", "1424953923781206.2"),
        ("8000000000000000", "0"),
    ],
)
def test_the_numbers_of_rfc8785_are_fractions_or_too_large_and_refused(bits: str, text: str) -> None:
    """RFC 8785, appendix B: the oracle prints them so, and none may enter an entry."""
    (number,) = struct.unpack(">d", bytes.fromhex(bits))
    assert rfc8785.dumps(number).decode() == text
    with pytest.raises(CanonicalError, match=r"\(float\)"):
        canonical({"a": number})
    if text != "0":
        with pytest.raises(CanonicalError, match=r"expected an integer|expected less"):
            parse(f'{{"a":{text}}}'.encode())


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({"a": 1.0}, r"a is 1.0 \(float\)"),
        ({"a": float("nan")}, "a is nan"),
        ({"a": {"b": [0, float("inf")]}}, r"a.b.1 is inf"),
        ({"a": 2**53}, "a is 9007199254740992, expected less than 2"),
        ({"a": -(2**53)}, "a is -9007199254740992"),
        ({"a": 10**5000}, "an integer of 16610 bits"),
        ({1: 2}, "the key 1, expected a string"),
        ({"a": (1, 2)}, r"a is \(1, 2\) \(tuple\)"),
        ({"a": b"x"}, "bytes"),
        ({"a": "\ud800"}, "half a surrogate"),
        ({"\udfff": 1}, "half a surrogate"),
        ({"a": "x" * MOST_BYTES}, "expected at most 65536"),
    ],
)
def test_a_value_without_canonical_bytes_is_refused_by_name(value: Any, why: str) -> None:
    with pytest.raises(CanonicalError, match=why):
        canonical(value)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"a":1,"a":2}', "not canonical"),
        (b'{"b":1,"a":2}', "not canonical"),
        (b'{"a": 1}', "not canonical"),
        (b'{"a":1}\n', "not JSON at byte 7: more than one value"),
        (b' {"a":1}', "not JSON at byte 0"),
        (b'{"a":"\\u0041"}', "not canonical"),
        (b'{"a":"\\/"}', "not canonical"),
        (b'{"a":-0}', "not canonical"),
        (b'{"a":01}', "not JSON at byte"),
        (b'{"a":1', "not JSON at byte"),
        (b"", "not JSON at byte 0"),
        (b'\xef\xbb\xbf{"a":1}', "not JSON"),
        (b'{"a":"\xff"}', "not UTF-8 at byte 6"),
        (b'{"a":"\\ud800"}', "half a surrogate"),
        (b'{"a":1.5}', "holds 1.5, expected an integer"),
        (b'{"a":1e9}', "holds 1e9"),
        (b'{"a":NaN}', "holds NaN"),
        (b'{"a":-Infinity}', "holds -Infinity"),
        (b'{"a":9007199254740992}', "expected less than 2"),
        (b'{"a":' + b"9" * 5000 + b"}", r"99\.\.\. \(5000 characters\)"),
        (b"[1]", "a JSON list, expected an object"),
        (b"null", "expected an object"),
        (b'{"a":"' + b"x" * MOST_BYTES + b'"}', "expected at most 65536"),
    ],
)
def test_bytes_that_are_not_those_of_an_entry_are_refused(body: bytes, why: str) -> None:
    with pytest.raises(CanonicalError, match=why):
        parse(body)


ODD_BODIES = [
    canonical(TRADE), b"{}", b"", b"[]", b"7", b"\xff", b'{"a":1,"a":1}', b'{"b":0,"a":0}', b'{"a": 1}', b'{"a":1} ',
    b' {"a":1}', b'{"a":1.5}', b'{"a":9007199254740993}', b'{"a":"\\ud800"}', '{"\ufb33":1,"\U0001f600":2}'.encode(),
    '{"\U0001f600":2,"\ufb33":1}'.encode(), b'{"a":1},{"b":2}', b'{"a":1},{"b":[{}', b"{}]}", b'{"a":"', b'"}',
]  # fmt: skip


@given(st.lists(st.sampled_from(ODD_BODIES) | st.binary(max_size=6), max_size=6))
def test_many_bodies_are_read_as_one_by_one(bodies: list[bytes]) -> None:
    """Also bodies which only one behind the other are those of entries."""

    def alone(body: bytes) -> Any:
        try:
            return parse(body)
        except CanonicalError as error:
            return str(error)

    together = [str(read) if isinstance(read, CanonicalError) else read for read in parse_all(bodies)]
    assert together == [alone(body) for body in bodies]


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_a_deep_nest_is_refused_and_not_fallen_into(opening: bytes) -> None:
    for depth in (DEEPEST + 1, 900, 30_000 // len(opening), 200_000):
        inner = opening * depth + b"1" + (b"]" if opening == b"[" else b"}") * depth
        with pytest.raises(CanonicalError, match=r"nested deeper|expected at most"):
            parse(b'{"a":' + inner + b"}")


def test_brackets_within_text_nest_nothing() -> None:
    entry = {"a": "[{" * 100}
    assert parse(canonical(entry)) == entry


def test_the_deepest_nest_is_the_same_for_writing_and_reading() -> None:
    value: Any = 1
    for _ in range(DEEPEST):
        value = {"a": value}
    assert parse(canonical(value)) == value
    with pytest.raises(CanonicalError, match="nested deeper"):
        canonical({"a": value})
    with pytest.raises(CanonicalError, match="nested deeper"):
        parse(json.dumps({"a": value}, separators=(",", ":")).encode())


@given(st.binary(max_size=60))
def test_any_bytes_are_an_entry_or_refused(body: bytes) -> None:
    try:
        entry = parse(body)
    except CanonicalError:
        return
    assert canonical(entry) == body


@given(st.integers(0, len(canonical(TRADE)) - 1), st.integers(0, 255))
def test_no_changed_byte_reads_as_the_same_entry(at: int, byte: int) -> None:
    body = canonical(TRADE)
    changed = body[:at] + bytes([byte]) + body[at + 1 :]
    try:
        assert (parse(changed) == TRADE) == (changed == body)
    except CanonicalError:
        assert changed != body
