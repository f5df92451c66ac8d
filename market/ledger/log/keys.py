"""Ed25519 keys (RFC 8032) and their names as did:key."""

from __future__ import annotations

from nacl.exceptions import CryptoError
from nacl.signing import SigningKey, VerifyKey

_ED25519 = b"\xed\x01"  # multicodec of an Ed25519 public key
_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_PREFIX = "did:key:z"


class Signer:
    """A private key; made from 32 secret bytes, it always gives the same signatures."""

    __slots__ = ("_key", "public_key")

    def __init__(self, seed: bytes) -> None:
        if len(seed) != 32:
            raise ValueError(f"seed has {len(seed)} bytes, expected 32")
        self._key = SigningKey(seed)
        self.public_key = bytes(self._key.verify_key)

    @property
    def did(self) -> str:
        """The public key as did:key."""
        return did_of(self.public_key)

    def sign(self, message: bytes) -> bytes:
        """Give the 64 bytes of the signature."""
        return self._key.sign(message).signature


def verify_signature(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Say whether the holder of the key signed the message; malformed keys and signatures have signed nothing."""
    try:
        VerifyKey(public_key).verify(message, signature)
    except CryptoError:
        return False
    return True


def did_of(public_key: bytes) -> str:
    """Name a public key: did:key:z and the base58 (bitcoin alphabet) of multicodec and key."""
    number, text = int.from_bytes(_ED25519 + public_key, "big"), ""
    while number:
        number, digit = divmod(number, 58)
        text = _BASE58[digit] + text
    return _PREFIX + text


def public_key_of(did: str) -> bytes:
    """Give the 32 bytes of the key that a did:key names."""
    text = did.removeprefix(_PREFIX)
    number = 0
    if did.startswith(_PREFIX) and len(text) < 64 and not set(text) - set(_BASE58):
        for digit in text:
            number = number * 58 + _BASE58.index(digit)
    key = number.to_bytes(47, "big")[-34:]
    if not key.startswith(_ED25519) or did_of(key[2:]) != did:
        raise ValueError(f"expected an Ed25519 did:key (did:key:z6Mk...), got {did[:80]!r}")
    return key[2:]
