"""Who signed a digest: public key recovery on secp256k1.

Whatever recovers is accepted, a high s included. Whether the exchange refuses a high s is not known, and
nothing here decides it: both forms of a signature recover the same address.
"""

from dataclasses import dataclass

import coincurve
from Crypto.Hash import keccak

from hyperkms.sandbox.refusals import Refused

_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


@dataclass(frozen=True)
class Signature:
    """An ECDSA signature with its recovery id: v is 27 or 28."""

    r: int
    s: int
    v: int


def recover_address(digest: bytes, signature: Signature) -> str:
    """Return the address (0x and 40 lower-case hex digits) whose key signed the 32-byte digest.

    Raises `Refused` when no key could have: r or s is out of range or r is on no curve point. The words are
    the stand-in's own.
    """
    if not (0 < signature.r < _ORDER and 0 < signature.s < _ORDER):
        raise Refused("Unable to recover signer.")
    compact = signature.r.to_bytes(32, "big") + signature.s.to_bytes(32, "big") + bytes([signature.v - 27])
    try:
        key = coincurve.PublicKey.from_signature_and_message(compact, digest, hasher=None)
    # coincurve raises bare Exception for a signature that recovers nothing.
    except Exception as error:
        raise Refused("Unable to recover signer.") from error
    point = key.format(compressed=False)[1:]
    return "0x" + keccak.new(digest_bits=256, data=point).digest()[-20:].hex()
