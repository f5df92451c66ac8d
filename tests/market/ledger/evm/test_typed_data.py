"""Typed data: the vector of EIP-712, and checkpoints that an Ethereum account witnesses."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gridbazaar.market.ledger.evm.typed_data import Types, digest, witness, witness_of
from gridbazaar.market.ledger.log.note import Checkpoint

keys: Any = pytest.importorskip("eth_keys", reason="needs the extra evm").keys
utils: Any = pytest.importorskip("eth_utils", reason="needs the extra evm")

DOMAIN: dict[str, Any] = {
    "name": "Ether Mail", "version": "1", "chainId": 1,
    "verifyingContract": "0xCcCCccccCCCCcCCCCCCcCcCccCcCCCcCcccccccC",
}  # fmt: skip
TYPES: Types = {
    "Person": [("string", "name"), ("address", "wallet")],
    "Mail": [("Person", "from"), ("Person", "to"), ("string", "contents")],
}
MAIL: dict[str, Any] = {
    "from": {"name": "Cow", "wallet": "0xCD2a3d9F938E13CD947Ec05AbC7FE734Df8DD826"},
    "to": {"name": "Bob", "wallet": "0xbBbBBBBbbBBBbbbBbbBbbbbBBbBbbbbBbBbbBBbB"},
    "contents": "Hello, Bob!",
}
CHECKPOINT = Checkpoint("village", 10, b"\x07" * 32, 3)
KEY, CONTRACT = b"\x01" * 32, DOMAIN["verifyingContract"]


def test_the_vector_of_the_standard() -> None:
    """Vector 9: digest, signer and signature of "Ether Mail"."""
    found = digest(DOMAIN, TYPES, "Mail", MAIL)
    assert found.hex() == "be609aee343fb3c4b28e1df9e632fca64fcfaede20f02e86244efddf30957bd2"
    key = keys.PrivateKey(utils.keccak(text="cow"))
    assert key.public_key.to_checksum_address() == MAIL["from"]["wallet"]
    signature = key.sign_msg_hash(found)
    assert signature.v + 27 == 28
    assert f"{signature.r:064x}" == "4355c47d63924e8a72e509b65029052eb6c299d53a04e167c5775fd466751c9d"
    assert f"{signature.s:064x}" == "07299936d304c153f6443dfa05f40ff007d72911b6f72307f996231605b91562"


def test_a_witness_is_found_by_its_signature() -> None:
    signature = witness(CHECKPOINT, KEY, 1, CONTRACT)
    address = keys.PrivateKey(KEY).public_key.to_checksum_address()
    assert witness_of(CHECKPOINT, signature, 1, CONTRACT) == address
    others = [
        (replace(CHECKPOINT, origin="street"), 1, CONTRACT),
        (replace(CHECKPOINT, size=11), 1, CONTRACT),
        (replace(CHECKPOINT, interval=4), 1, CONTRACT),
        (replace(CHECKPOINT, root=b"\x08" * 32), 1, CONTRACT),
        (CHECKPOINT, 2, CONTRACT),
        (CHECKPOINT, 1, MAIL["to"]["wallet"]),
    ]
    for checkpoint, chain_id, contract in others:
        assert witness_of(checkpoint, signature, chain_id, contract) != address


@pytest.mark.parametrize("signature", [b"", b"\x01" * 64, b"\x01" * 64 + b"\x00", b"\xff" * 64 + b"\x1b"])
def test_what_is_no_signature_is_refused(signature: bytes) -> None:
    with pytest.raises(ValueError, match="expected"):
        witness_of(CHECKPOINT, signature, 1, CONTRACT)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"contents": None}, "expected the fields"),
        ({"more": 1}, "expected the fields"),
        ({"to": {"name": "Bob", "wallet": "0x12"}}, r"Person\.wallet: expected a value of type address"),
    ],
)
def test_a_message_that_does_not_fit_its_type_is_refused(changes: dict[str, Any], why: str) -> None:
    message = {name: value for name, value in (MAIL | changes).items() if value is not None}
    with pytest.raises(ValueError, match=why):
        digest(DOMAIN, TYPES, "Mail", message)


def test_numbers_beyond_their_type_and_arrays_are_refused() -> None:
    for kind, value in (("uint8", 256), ("uint8", -1), ("uint256[]", [1]), ("nonsense", 1)):
        with pytest.raises(ValueError, match=r"S\.x: expected"):
            digest({}, {"S": [(kind, "x")]}, "S", {"x": value})
