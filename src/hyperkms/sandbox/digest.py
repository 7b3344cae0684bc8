"""The 32 bytes an action is signed over, from its canonical form.

For an L1 action:

    data       = msgpack(action) + nonce (u64 big-endian)
                 + 00 | 01 and 20 vault address bytes
                 + (00 and expiresAfter (u64 big-endian), only if set)
    actionHash = keccak256(data)
    digest     = EIP-712 of Agent(source, connectionId = actionHash), domain "Exchange" version "1" chain 1337

as in the official Python SDK 0.24.0, `action_hash` and `l1_payload`. The chain id is 1337 on both networks;
`source` tells them apart. A user-signed action knows its own digest (`user_actions`).
"""

from typing import Literal

# msgpack ships no type information; `_packed` is the only place that touches it.
import msgpack
from Crypto.Hash import keccak

from hyperkms.sandbox.account_actions import AccountAction
from hyperkms.sandbox.actions import Action, Wire
from hyperkms.sandbox.parsing import Request
from hyperkms.sandbox.user_actions import UserAction

Network = Literal["mainnet", "testnet"]

_SOURCES: dict[Network, bytes] = {"mainnet": b"a", "testnet": b"b"}


def digest_of(request: Request, network: Network) -> bytes:
    """Return the digest that the signer of `request` must have signed, on `network`."""
    action = request.action
    return action.digest() if isinstance(action, UserAction) else _l1_digest(request, action, network)


def vault_of(request: Request) -> str | None:
    """Return the vault that a request is signed for: none if its action never is, whatever was posted."""
    action = request.action
    hashes_vault = not isinstance(action, UserAction) and (not isinstance(action, AccountAction) or action.hashes_vault)
    return request.vault_address if hashes_vault else None


def _l1_digest(request: Request, action: Action | AccountAction, network: Network) -> bytes:
    connection_id = action_hash(
        action.wire(), request.nonce, vault=vault_of(request), expires_after=request.expires_after
    )
    agent = _keccak(_AGENT_TYPE + _keccak(_SOURCES[network]) + connection_id)
    return _keccak(b"\x19\x01" + _DOMAIN + agent)


def action_hash(action: Wire, nonce: int, *, vault: str | None, expires_after: int | None) -> bytes:
    """Return the connection id: 32 bytes over action, nonce, vault address and expiry (both in ms)."""
    data = _packed(action) + nonce.to_bytes(8, "big")
    data += b"\x00" if vault is None else b"\x01" + bytes.fromhex(vault.removeprefix("0x"))
    if expires_after is not None:
        data += b"\x00" + expires_after.to_bytes(8, "big")
    return _keccak(data)


def _packed(value: Wire) -> bytes:
    packed = msgpack.packb(value)
    if not isinstance(packed, bytes):
        raise TypeError("msgpack returned no bytes")
    return packed


def _keccak(data: bytes) -> bytes:
    return keccak.new(digest_bits=256, data=data).digest()


_AGENT_TYPE = _keccak(b"Agent(string source,bytes32 connectionId)")
_DOMAIN = _keccak(
    _keccak(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
    + _keccak(b"Exchange")
    + _keccak(b"1")
    + (1337).to_bytes(32, "big")
    + bytes(32)
)
