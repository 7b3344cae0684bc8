"""Who signs: a wallet, one of its key versions, and the handle of its key."""

import msgspec

from hyperkms import _core
from hyperkms.access.authority import Authority, ReadyGrant
from hyperkms.access.clients import Client
from hyperkms.access.grants import Grant
from hyperkms.access.policy.document import TRADE_ONLY
from hyperkms.access.policy.rules import MeterOf
from hyperkms.access.policy.standing import standing_authority
from hyperkms.access.signing_grants import signs_actions
from hyperkms.errors import Conflict
from hyperkms.operations.at_hand import Found, Signer
from hyperkms.operations.in_shares import ThresholdKey, threshold_key
from hyperkms.operations.native import NativeKey, native_key
from hyperkms.operations.parts import Parts
from hyperkms.operations.permission import grants_to_sign
from hyperkms.state.waiting import about_to_wait
from hyperkms.wallet import KeyType, KeyVersion, Wallet, WalletId
from hyperkms.wallet_life import require_signing


def resolve(parts: Parts, client: Client, wallet_id: WalletId, number: int | None, *, operation: str) -> Signer:
    """The current version of a wallet, or the one of that number; no key is touched before the client may.

    NotFound if there is no such wallet or version, or it is not the client's; Forbidden if the client may
    not do this with a wallet of its kind; Refused if it does not sign now: the wallet or the version is
    retired, its grace has ended, or it is pending. Unavailable in a directory that was restored and not fenced.
    """
    if parts.frozen is not None:
        raise parts.frozen.refusal()
    is_fresh = False

    def find() -> Found:
        nonlocal is_fresh
        is_fresh = True
        return _find(parts, client, wallet_id, number, operation)

    signer = parts.signers.get((id(client), wallet_id, number, operation), find).signer
    if signer.wallet.signs_elsewhere:
        about_to_wait()  # for cosigners, or AWS KMS: before anything is numbered or reserved
    elif parts.keyring.has_leases and not is_fresh:
        signer = _under_lease(parts, signer)
    if signer.version.expires_at is not None:  # its grace may have ended since
        require_signing(signer.wallet, signer.version, now=parts.clock())
    return signer


def _under_lease(parts: Parts, signer: Signer) -> Signer:
    """The same with the handle that its root key stands by now."""
    handle = parts.keyring.handle(signer.wallet, signer.version)
    return signer if handle is signer.handle else msgspec.structs.replace(signer, handle=handle)


def _find(parts: Parts, client: Client, wallet_id: WalletId, number: int | None, operation: str) -> Found:
    generation = parts.wallets.generation()
    client.require_wallet(wallet_id)
    wallet = parts.wallets.get(wallet_id)
    grants = grants_to_sign(client, wallet, operation)
    version = wallet.current
    if number not in (None, version.number):
        version = parts.wallets.version(wallet, number)
    require_signing(wallet, version, now=parts.clock())
    is_judged = signs_actions(operation) and wallet.key_type is KeyType.SECP256K1
    meter_of = parts.reservations.meter_of
    authority = authority_over(parts, client, wallet, grants, meter_of) if is_judged else None
    return Found(Signer(wallet, version, _handle(parts, wallet, version), generation, authority), client)


def _handle(parts: Parts, wallet: Wallet, version: KeyVersion) -> _core.KeyHandle | ThresholdKey | NativeKey:
    if wallet.is_mpc:
        return threshold_key(parts, wallet, version)
    if wallet.is_kms_native:
        return native_key(parts, wallet, version)
    return parts.keyring.handle(wallet, version)


def authority_over(
    parts: Parts, client: Client, wallet: Wallet, grants: tuple[Grant, ...], meter_of: MeterOf
) -> Authority:
    """What decides over the actions of a wallet for a client with these grants."""
    ready = tuple(ReadyGrant.of(grant, meter_of) for grant in grants)
    return standing_authority(parts.policies, client.name, wallet.id, ready, meter_of)


def require_still_signing(parts: Parts, signer: Signer) -> None:
    """Refused if the version was retired since it was resolved, Conflict if the wallet's policy was changed.

    A nonce, a market or a reservation can take seconds; a change holds once it was answered.
    """
    if signer.generation is not None and signer.generation == parts.wallets.generation():
        return
    wallet = parts.wallets.get(signer.wallet.id)
    if wallet.revision != signer.wallet.revision:
        require_signing(wallet, parts.wallets.version(wallet, signer.version.number), now=parts.clock())
    if signer.authority is not None:
        _require_policy(parts, signer.wallet.id, signer.authority.policy.label)


def _require_policy(parts: Parts, wallet: WalletId, label: str) -> None:
    enforced = parts.policies.standing(wallet).enforced
    if (TRADE_ONLY if enforced is None else enforced.label) != label:
        words = f"the policy of wallet {wallet} was changed while this was being signed: ask again"
        raise Conflict("policy-changed", words)
