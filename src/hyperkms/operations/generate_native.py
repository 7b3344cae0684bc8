"""Make a wallet by the custody that is asked for: the service's own, or AWS KMS."""

import sqlalchemy as sa

from hyperkms.errors import Refused
from hyperkms.operations.changing import Actor, Deed, write_down
from hyperkms.operations.generate import check_metadata, generate, settle
from hyperkms.operations.native import make_key, native_keys_of, withdrawn_unless_listed
from hyperkms.operations.new_wallet import FIRST, NewWallet, first_version
from hyperkms.operations.parts import Parts
from hyperkms.state.completion import Completion, nothing_more
from hyperkms.state.kms_keys import listed_within
from hyperkms.state.wallets import wallet_exists
from hyperkms.wallet import Custody, Wallet


def generate_by_custody(
    parts: Parts, actor: Actor, request: NewWallet, *, completion: Completion[Wallet] = nothing_more
) -> Wallet:
    """A wallet with a fresh key where the request says; Conflict if the id exists."""
    if request.custody is Custody.KMS_NATIVE:
        return generate_in_kms(parts, actor, request, completion=completion)
    return generate(parts, actor, request, completion=completion)


def generate_in_kms(
    parts: Parts, actor: Actor, request: NewWallet, *, completion: Completion[Wallet] = nothing_more
) -> Wallet:
    """A wallet whose key AWS KMS makes and keeps; Conflict if the id exists.

    1. Settle key type and network; refuse an id that is taken, and a second copy, which nobody could make.
    2. Have the key made, and sign with it once: `native.make_key` says what a crash leaves.
    3. List the wallet: the one insert that decides who made it, if the key is not being withdrawn, and once the line of
       the record is durable. Of several calls at once the keys of those that lose are withdrawn.
    """
    key_type, network = settle(request, parts.defaults, parts.mode)  # (1)
    metadata = check_metadata(request.metadata)
    native_keys_of(parts)
    if request.master:
        words = "a key that AWS KMS keeps never leaves it, so that there is no second copy: choose one of the two"
        raise Refused("no-copy-of-kms-native", words)
    if parts.wallets.find(request.id):
        raise wallet_exists(request.id)
    made = make_key(parts, request.id, FIRST, key_type, network)  # (2)
    now = parts.clock()
    current = first_version(made.public_key, now=now, kms_key=made.name)
    wallet = Wallet(
        id=request.id,
        key_type=key_type,
        network=network,
        current=current,
        created_at=now,
        metadata=metadata,
        custody=Custody.KMS_NATIVE,
    )

    def complete(connection: sa.Connection, listed: Wallet, /) -> None:
        listed_within(connection, made.token)
        completion(connection, listed)
        write_down(parts, actor, request.id, [listed.current], Deed(operation="generate"))

    with withdrawn_unless_listed(parts, made):
        parts.wallets.create(wallet, complete)  # (3)
    return wallet
