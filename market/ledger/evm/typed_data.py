"""Let an Ethereum account witness a checkpoint: EIP-712 typed data, which a wallet shows field by field.

A signature on typed data can be shown again by anybody (EIP-712, security considerations). Here that does no harm: a
checkpoint names its log, interval and size, and to witness the same one twice says nothing new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from gridbazaar.market.ledger.evm.build import needed
from gridbazaar.market.ledger.log.note import Checkpoint

Types: TypeAlias = Mapping[str, Sequence[tuple[str, str]]]
"""The fields of each struct, (type, name) in their order."""

SIGNATURE_BYTES = 65
_DOMAIN_FIELDS = (("string", "name"), ("string", "version"), ("uint256", "chainId"), ("address", "verifyingContract"))
_CHECKPOINT: Types = {
    "Checkpoint": [("string", "log"), ("uint64", "interval"), ("uint64", "size"), ("bytes32", "root")],
}
_V_OF_PARITY_0 = 27


def digest(domain: Mapping[str, Any], types: Types, struct: str, message: Mapping[str, Any]) -> bytes:
    """Give the 32 bytes that are signed (EIP-712: 0x1901, domain separator, hash of the struct).

    Args:
        domain: some of name, version, chainId and verifyingContract.
        types: structs by name; their fields are strings, bytes, other structs, or types of one word (``uint256``,
            ``address``, ``bytes32``, ``bool``). Arrays are not taken.
        struct: which of them the message is.
        message: values by name of field, addresses as hexadecimal text.

    Raises:
        ValueError: a field is missing or too much, or a value does not fit its type.
    """
    of_domain = {"EIP712Domain": [field for field in _DOMAIN_FIELDS if field[1] in domain]}
    separator = _hash_struct(of_domain, "EIP712Domain", domain)
    return _keccak(b"\x19\x01" + separator + _hash_struct(types, struct, message))


def witness(checkpoint: Checkpoint, private_key: bytes, chain_id: int, contract: str) -> bytes:
    """Sign a checkpoint with an Ethereum key.

    Args:
        checkpoint: which one.
        private_key: 32 bytes.
        chain_id: of the chain that the contract stands on.
        contract: address of the contract that anchors the log.

    Returns:
        65 bytes: r, s, and v as 27 or 28.
    """
    signature = (
        needed("eth_keys").keys.PrivateKey(private_key).sign_msg_hash(_digest_of(checkpoint, chain_id, contract))
    )
    r, s = (number.to_bytes(32, "big") for number in (signature.r, signature.s))
    return bytes(r + s + bytes([_V_OF_PARITY_0 + signature.v]))


def witness_of(checkpoint: Checkpoint, signature: bytes, chain_id: int, contract: str) -> str:
    """Give the address (with checksum) that signed; of another checkpoint, chain or contract it is a stranger's.

    Raises:
        ValueError: bytes that are no signature at all.
    """
    keys = needed("eth_keys")
    if len(signature) != SIGNATURE_BYTES or signature[-1] - _V_OF_PARITY_0 not in (0, 1):
        raise ValueError(
            f"expected {SIGNATURE_BYTES} bytes that end with 27 or 28, got {signature.hex()[-8:] or 'none'}"
        )
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:64]))
    try:
        found = keys.keys.Signature(vrs=(signature[-1] - _V_OF_PARITY_0, r, s))
        public_key = found.recover_public_key_from_msg_hash(_digest_of(checkpoint, chain_id, contract))
    except (keys.exceptions.BadSignature, keys.exceptions.ValidationError) as error:
        raise ValueError(f"expected a signature on secp256k1: {error}") from error
    return str(public_key.to_checksum_address())


def _digest_of(checkpoint: Checkpoint, chain_id: int, contract: str) -> bytes:
    domain = {"name": "GridBazaar ledger", "version": "1", "chainId": chain_id, "verifyingContract": contract}
    message = {
        "log": checkpoint.origin, "interval": checkpoint.interval, "size": checkpoint.size, "root": checkpoint.root,
    }  # fmt: skip
    return digest(domain, _CHECKPOINT, "Checkpoint", message)


def _hash_struct(types: Types, struct: str, message: Mapping[str, Any]) -> bytes:
    fields = types[struct]
    if message.keys() != {name for _, name in fields}:
        raise ValueError(f"{struct}: expected the fields {[name for _, name in fields]}, got {list(message)}")
    words = [_word(types, kind, message[name], f"{struct}.{name}") for kind, name in fields]
    return _keccak(_keccak(_type_of(types, struct).encode()) + b"".join(words))


def _type_of(types: Types, struct: str) -> str:
    """Write a struct's type, behind it those of the structs within, sorted: ``Mail(Person from)Person(...)``."""
    within, queue = set[str](), [struct]
    while queue:
        inner = {kind for kind, _ in types[queue.pop()] if kind in types} - within - {struct}
        within |= inner
        queue += inner
    written = [
        f"{name}({','.join(f'{kind} {field}' for kind, field in types[name])})" for name in (struct, *sorted(within))
    ]
    return "".join(written)


def _word(types: Types, kind: str, value: Any, where: str) -> bytes:
    """Encode a value in 32 bytes; what is longer is hashed."""
    if kind in types:
        return _hash_struct(types, kind, value)
    if kind in ("string", "bytes"):
        return _keccak(value.encode() if kind == "string" else value)
    abi = needed("eth_abi")
    try:
        word: bytes = abi.encode([kind], [value])
    except (abi.exceptions.EncodingError, abi.exceptions.ParseError, ValueError) as error:
        raise ValueError(f"{where}: expected a value of type {kind}, got {value!r}") from error
    if len(word) != 32:
        raise ValueError(f"{where}: expected a type of one word, string or bytes, got {kind}")
    return word


def _keccak(data: bytes) -> bytes:
    return bytes(needed("eth_utils").keccak(data))
