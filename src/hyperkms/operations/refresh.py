"""Refresh: new shares of the same key; those before are destroyed, so that what was stolen of them is worth nothing."""

from dataclasses import dataclass

from hyperkms.operations.changing import Actor, Deed, write_down
from hyperkms.operations.in_shares import cosigners_of, require_mpc, require_own_group, threshold_key
from hyperkms.operations.parts import Parts
from hyperkms.wallet import KeyVersion, Wallet, WalletId
from hyperkms.wallet_life import require_live, require_signing


@dataclass(frozen=True, kw_only=True)
class Refreshed:
    """A key whose shares were made anew."""

    wallet: Wallet
    version: KeyVersion
    epoch: int
    """The one in force."""


def refresh(parts: Parts, actor: Actor, wallet_id: WalletId, number: int | None = None) -> Refreshed:
    """New shares of the current version, or of the one of that number.

    1. Nobody else is at the wallet.  2. The cosigners make the next epoch and put it in force.  3. Write it down.
    Cut off anywhere it is finished, or dropped, by the next one to ask; addresses and signatures stay the same.
    """
    wallet = require_live(require_mpc(parts.wallets.get(wallet_id)))
    version = wallet.current if number is None else parts.wallets.version(wallet, number)
    require_signing(wallet, version, now=parts.clock())
    here = cosigners_of(parts, wallet.key_type)
    require_own_group(here, wallet)
    key = threshold_key(parts, wallet, version).key
    with here.turns.of(wallet_id):  # (1)
        made = here.coordinator.refresh(key, actor.asker)  # (2)
        deed = Deed(operation="refresh", reason=f"epoch {made.share.epoch} is in force")
        write_down(parts, actor, wallet_id, [version], deed)  # (3)
    return Refreshed(wallet=wallet, version=version, epoch=made.share.epoch)
