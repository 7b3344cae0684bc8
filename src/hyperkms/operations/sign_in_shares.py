"""Signing by the routes of wallets in shares: as the others do, for these wallets alone."""

from hyperkms.access.clients import Client
from hyperkms.operations.caller import Caller
from hyperkms.operations.in_shares import require_mpc
from hyperkms.operations.parts import Parts
from hyperkms.operations.pending import Pending
from hyperkms.operations.sign import SignedAction, SignedMessage, sign_message
from hyperkms.operations.sign_once import Planned, plan_order
from hyperkms.operations.sign_order import sign_order
from hyperkms.state.waiting import about_to_wait
from hyperkms.wallet import WalletId


def sign_message_in_shares(
    parts: Parts, caller: Caller, wallet_id: WalletId, message: bytes, version: int | None = None
) -> Pending[SignedMessage]:
    """`sign_message`; NotFound for a wallet with a single key."""
    _require(parts, caller.client, wallet_id)
    return sign_message(parts, caller, wallet_id, message, version)


def sign_order_in_shares(
    parts: Parts, caller: Caller, wallet_id: WalletId, payload: dict[str, object], version: int | None = None
) -> Pending[SignedMessage] | Pending[SignedAction]:
    """`sign_order`; NotFound for a wallet with a single key."""
    _require(parts, caller.client, wallet_id)
    return sign_order(parts, caller, wallet_id, payload, version)


def plan_order_in_shares(
    parts: Parts, client: Client, wallet_id: WalletId, payload: dict[str, object], version: int | None = None
) -> Planned | None:
    """`plan_order`; NotFound for a wallet with a single key."""
    _require(parts, client, wallet_id)
    return plan_order(parts, client, wallet_id, payload, version)


def _require(parts: Parts, client: Client, wallet_id: WalletId) -> None:
    about_to_wait()
    client.require_wallet(wallet_id)
    require_mpc(parts.wallets.get(wallet_id))
