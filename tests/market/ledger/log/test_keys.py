"""Ed25519 keys: the vectors of RFC 8032 and of did:key, and signatures that must not pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gridbazaar.market.ledger.log.keys import Signer, did_of, public_key_of, verify_signature

ORDER = 2**252 + 27742317777372353535851937790883648493
"""Of the group that Ed25519 signs in (RFC 8032, 5.1)."""

RFC_8032 = [  # section 7.1: secret key, public key, message, signature
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555"
        "fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "72",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
        "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
        "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
        "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b589"
        "09351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]

DIDS = [
    "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp",
    "did:key:z6MkjchhfUsD6mmvni8mCdXHw216Xrm9bQe2mBH1P5RDjVJG",
    "did:key:z6MknGc3ocHs3zdPiJbnaaqDi58NGb4pk1Sp9WxWufuXSdxf",
]


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_signatures_are_those_of_rfc8032(seed: str, public: str, message: str, signature: str) -> None:
    signer = Signer(bytes.fromhex(seed))
    assert signer.public_key.hex() == public
    assert signer.sign(bytes.fromhex(message)).hex() == signature
    assert verify_signature(bytes.fromhex(public), bytes.fromhex(signature), bytes.fromhex(message))
    assert not verify_signature(bytes.fromhex(public), bytes.fromhex(signature), bytes.fromhex(message) + b"x")


@pytest.mark.parametrize(("seed", "public", "message", "signature"), RFC_8032)
def test_a_signature_with_the_order_added_is_refused(seed: str, public: str, message: str, signature: str) -> None:
    """S and S + L satisfy the same equation; only the smaller one is a signature (RFC 8032, 5.1.7)."""
    whole = bytes.fromhex(signature)
    s = int.from_bytes(whole[32:], "little") + ORDER
    malleated = whole[:32] + s.to_bytes(32, "little")
    assert not verify_signature(bytes.fromhex(public), malleated, bytes.fromhex(message))


@pytest.mark.parametrize(("number", "did"), list(enumerate(DIDS)))
def test_keys_have_their_did(number: int, did: str) -> None:
    signer = Signer(number.to_bytes(32, "big"))
    assert signer.did == did
    assert public_key_of(did) == signer.public_key


@given(st.binary(min_size=32, max_size=32))
def test_a_did_gives_its_key_back(key: bytes) -> None:
    assert public_key_of(did_of(key)) == key


@pytest.mark.parametrize(
    "did",
    ["", "did:key:", "did:key:z", "did:web:x", DIDS[0][:-1], DIDS[0] + "1", DIDS[0].replace("z6", "z16"),
     DIDS[0][:-1] + "0", "did:key:z" + "1" * 48, "did:key:z" + "z" * 100_000],
)  # fmt: skip
def test_what_is_no_did_of_ed25519_is_refused(did: str) -> None:
    with pytest.raises(ValueError, match="expected an Ed25519 did:key"):
        public_key_of(did)


@given(st.binary(max_size=70), st.binary(max_size=70))
def test_malformed_keys_and_signatures_have_signed_nothing(key: bytes, signature: bytes) -> None:
    assert not verify_signature(key, signature, b"message")
    assert not verify_signature(Signer(bytes(32)).public_key, signature, b"message")


def test_a_seed_has_32_bytes_and_is_not_shown() -> None:
    with pytest.raises(ValueError, match="31 bytes, expected 32"):
        Signer(bytes(31))
    assert "ab" * 32 not in repr(Signer(b"\xab" * 32))
