"""Is what a coordinator wants signed what the client's own request asks for."""

from hyperkms.errors import Refused
from hyperkms.hyperliquid.actions import parse_action
from hyperkms.hyperliquid.signable import numbered, require_fitting
from hyperkms.hyperliquid.wire import Numbers, msgpack
from hyperkms.state.share_rows import ShareRow
from hyperkms.threshold.cosigner.asked import AskedFor
from hyperkms.threshold.cosigner.intent import ToSign
from hyperkms.threshold.wire import Intent
from hyperkms.wallet import Network

MOST_AHEAD_MS = 60_000
"""How far an expiresAfter may be ahead that the client has left to its service."""


def require_same(asked: AskedFor, intent: Intent, to_sign: ToSign, row: ShareRow, now: int) -> None:
    """Refused, with the first member that differs. What the request leaves out the coordinator may fill.

    1. The operation and the version.  2. The bytes of a message.  3. Nonce, vault, expiry and network.  4. The action,
    in the form in which it is hashed.
    """
    if asked.operation != intent.operation:  # (1)
        raise _differs("operation", asked.operation)
    if asked.version not in (None, row.version):
        raise _differs("version", str(asked.version))
    if to_sign.action is None or to_sign.network is None:  # (2)
        if asked.message is None or asked.message != to_sign.message:
            raise _differs("message", "a message of other bytes")
        return
    if asked.action is None:
        raise _differs("action", "a message")
    _require_around(asked, to_sign, now)  # (3)
    _require_action(asked.action, to_sign, to_sign.network)  # (4)


def _require_around(asked: AskedFor, to_sign: ToSign, now: int) -> None:
    if asked.nonce not in (None, to_sign.nonce):
        raise _differs("nonce", str(asked.nonce))
    if asked.vault_address != to_sign.vault_address:
        raise _differs("vaultAddress", str(asked.vault_address))
    if asked.network not in (None, to_sign.network):
        raise _differs("network", asked.network.value if asked.network else "none")
    if asked.expires_after is not None:
        if asked.expires_after != to_sign.expires_after:
            raise _differs("expiresAfter", str(asked.expires_after))
    elif to_sign.expires_after is not None and to_sign.expires_after > now + MOST_AHEAD_MS:
        words = f"the client left expiresAfter out, and then it is at most {MOST_AHEAD_MS} ms ahead"
        raise Refused("intent-differs", f"{words}; this is {to_sign.expires_after - now}", {"member": "expiresAfter"})


def _require_action(value: object, to_sign: ToSign, network: Network) -> None:
    if to_sign.action is None or to_sign.nonce is None:
        raise AssertionError("an action has its nonce")
    asked = parse_action(value, Numbers.CANONICAL)
    if asked.type != to_sign.action.type:
        raise _differs("action.type", asked.type)
    require_fitting(
        asked,
        network,
        nonce=to_sign.nonce,
        vault_address=to_sign.vault_address,
        expires_after=to_sign.expires_after,
    )
    if msgpack(numbered(asked, network, to_sign.nonce)) != msgpack(to_sign.action.wire):
        raise _differs("action", f"another {asked.type}")


def _differs(member: str, asked: str) -> Refused:
    words = f"what the coordinator wants signed is not what the client has signed: {member} is {asked} in the request"
    return Refused("intent-differs", words, {"member": member})
