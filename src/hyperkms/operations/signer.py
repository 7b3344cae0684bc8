"""Who signs: a wallet, one of its key versions, and the handle of its key."""

from hyperkms.access.clients import Client
from hyperkms.operations.at_hand import Found, Signer
from hyperkms.operations.parts import Parts
from hyperkms.operations.permission import require_permission, wallet_for
from hyperkms.wallet import WalletId
from hyperkms.wallet_life import require_signing


def resolve(parts: Parts, client: Client, wallet_id: WalletId, number: int | None, *, operation: str) -> Signer:
    """The current version of a wallet, or the one of that number; no key is touched before the client may.

    NotFound if there is no such wallet or version, or it is not the client's; Forbidden if the client may
    not do this with a wallet of its kind; Refused if it does not sign now: the wallet or the version is
    retired, its grace has ended, or it is pending.
    """
    found = parts.signers.get(
        (id(client), wallet_id, number, operation), lambda: _find(parts, client, wallet_id, number, operation)
    )
    signer = found.signer
    if signer.version.expires_at is not None:  # its grace may have ended since
        require_signing(signer.wallet, signer.version, now=parts.clock())
    return signer


def _find(parts: Parts, client: Client, wallet_id: WalletId, number: int | None, operation: str) -> Found:
    generation = parts.wallets.generation()
    wallet = wallet_for(parts, client, wallet_id)
    require_permission(client, wallet, operation)
    version = wallet.current
    if number not in (None, version.number):
        version = parts.wallets.version(wallet, number)
    require_signing(wallet, version, now=parts.clock())
    return Found(Signer(wallet, version, parts.keyring.handle(wallet, version), generation), client)


def require_still_signing(parts: Parts, signer: Signer) -> None:
    """Refused if the version was retired since it was resolved: a nonce, a market or a reservation can take seconds."""
    if signer.generation is not None and signer.generation == parts.wallets.generation():
        return
    wallet = parts.wallets.get(signer.wallet.id)
    if wallet.revision != signer.wallet.revision:
        require_signing(wallet, parts.wallets.version(wallet, signer.version.number), now=parts.clock())
