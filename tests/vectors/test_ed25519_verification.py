"""The rule of signatures as Python meets it: the published cases, and another implementation on honest ones.

The core's own tests say the same of the rule in Rust, and against ed25519-dalek; here it is the binding that is met.
"""

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from hyperkms._core import verify_ed25519
from hyperkms.errors import Tampered
from support import vectors

REFUSED = {"low_order_A", "low_order_R", "non_canonical_A", "non_canonical_R", "low_order_residue"}
"""In the words of CCTV. A key or R with a part of small order is taken if the equation holds without the cofactor."""


def is_taken(public_key: str, message: bytes, signature: str) -> bool:
    try:
        verify_ed25519(bytes.fromhex(public_key), message, bytes.fromhex(signature))
    except Tampered as refusal:
        return refusal.code != "signature-wrong"
    return True


def test_it_agrees_with_wycheproof() -> None:
    seen = [
        (is_taken(group["publicKey"]["pk"], bytes.fromhex(test["msg"]), test["sig"]), test["result"], test["tcId"])
        for group in vectors.load("wycheproof_ed25519.json")["testGroups"]
        for test in group["tests"]
    ]
    assert len(seen) == 72
    assert [case for taken, result, case in seen if taken != (result == "valid")] == []


def test_of_the_edge_cases_of_cctv_it_takes_those_of_its_rule() -> None:
    cases = vectors.load("ed25519_cctv.json")["cases"]
    taken = {case["number"] for case in cases if is_taken(case["key"], case["msg"].encode(), case["sig"])}
    assert taken == {case["number"] for case in cases if not REFUSED & set(case["flags"] or ())}
    assert 0 < len(taken) < len(cases) == 471


def test_of_the_cases_of_speccheck_it_takes_the_third() -> None:
    cases = vectors.load("ed25519_speccheck.json")["cases"]
    taken = [
        case["number"] for case in cases if is_taken(case["pub_key"], bytes.fromhex(case["message"]), case["signature"])
    ]
    assert taken == [3]


@given(seed=st.binary(min_size=32, max_size=32), message=st.binary(max_size=9000))
def test_what_another_implementation_signs_is_taken_and_nothing_else(seed: bytes, message: bytes) -> None:
    key = Ed25519PrivateKey.from_private_bytes(seed)
    public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    signature = key.sign(message)
    verify_ed25519(public, message, signature)
    for wrong in (signature[::-1], signature[:63], signature + b"\0", b""):
        with pytest.raises(Tampered):
            verify_ed25519(public, message, wrong)
    with pytest.raises(Tampered):
        verify_ed25519(public, message + b"\0", signature)
