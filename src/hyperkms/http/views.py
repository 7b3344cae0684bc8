"""Values of the domain as the bodies of answers."""

from collections.abc import Mapping
from typing import Literal

import msgspec

from hyperkms.http.schemas import SignActionAnswer, SignAnswer, SignatureView, WalletView
from hyperkms.operations.sign import SignedAction, SignedMessage
from hyperkms.wallet import Custody, Wallet, iso_time

_CUSTODY: Mapping[Custody, Literal["mpc", "kms-native"] | None] = {
    Custody.STANDARD: None,
    Custody.MPC: "mpc",
    Custody.KMS_NATIVE: "kms-native",
}


def wallet_view(wallet: Wallet) -> WalletView:
    """A wallet as it is shown."""
    return WalletView(
        wallet_id=wallet.id,
        public_key=wallet.public_key_text,
        created_at=iso_time(wallet.created_at),
        key_type=wallet.key_type.value,
        version=wallet.current.number,
        origin=wallet.current.origin.value,
        address=wallet.address,
        network=wallet.network.value if wallet.network else None,
        metadata=dict(wallet.metadata) or None,
        retired_at=_time(wallet.retired_at),
        retired_reason=wallet.retired_reason,
        custody=_CUSTODY[wallet.custody],
    )


def signed_view(signed: SignedMessage | SignedAction) -> SignAnswer:
    """The answer of the first system's signing routes, with what a secp256k1 wallet adds."""
    wallet, version = signed.wallet, signed.version
    common = SignAnswer(
        success=True,
        signature=signed.signature,
        public_key=version.public_key_text,
        wallet_id=wallet.id,
        receipt=signed.receipt,
        address=version.address,
        mpc_signing=True if wallet.is_mpc else None,
    )
    if isinstance(signed, SignedMessage):
        return common
    return msgspec.structs.replace(
        common, action=dict(signed.action), nonce=signed.nonce, expires_after=signed.expires_after
    )


def action_view(signed: SignedAction) -> SignActionAnswer:
    """What a bot posts to the exchange, and the receipt."""
    return SignActionAnswer(
        success=True,
        wallet_id=signed.wallet.id,
        address=str(signed.version.address),
        action=dict(signed.action),
        nonce=signed.nonce,
        vault_address=signed.vault_address,
        expires_after=signed.expires_after,
        signature=SignatureView.of(signed.signature),
        receipt=signed.receipt,
    )


def _time(milliseconds: int | None) -> str | None:
    return None if milliseconds is None else iso_time(milliseconds)
