"""Refresh: new shares of the same key; those before are destroyed, so that what was stolen of them is worth nothing."""

from hyperkms.errors import Conflict
from hyperkms.operations.changing import Actor, Deed, write_down
from hyperkms.operations.in_shares import cosigners_of, threshold_key
from hyperkms.operations.parts import Parts
from hyperkms.threshold.coordinator.coordinator import Key
from hyperkms.wallet import Wallet, WalletId
from hyperkms.wallet_life import require_live, require_signing


def refresh(parts: Parts, actor: Actor, wallet_id: WalletId, number: int | None = None) -> tuple[Wallet, int, int]:
    """The wallet, the version that was refreshed, and the epoch in force.

    1. Nobody else is at the wallet.  2. The cosigners make the next epoch and put it in force.  3. Write it down.
    Cut off anywhere it is finished, or dropped, by the next one to ask; addresses and signatures stay the same.
    """
    wallet = require_live(parts.wallets.get(wallet_id))
    if not wallet.is_mpc:
        words = f"wallet {wallet_id} has a single key: rotate it, there are no shares to refresh"
        raise Conflict("wallet-not-in-shares", words)
    version = wallet.current if number is None else parts.wallets.version(wallet, number)
    require_signing(wallet, version, now=parts.clock())
    here = cosigners_of(parts, wallet.key_type)
    threshold_key(parts, wallet, version)
    with here.turns.of(wallet_id):  # (1)
        key = Key(wallet.id, version.number, version.public_key)
        made = here.coordinator.refresh(key, actor.asker)  # (2)
        deed = Deed(operation="refresh", reason=f"epoch {made.share.epoch}")
        write_down(parts, actor, wallet_id, [version], deed)  # (3)
    return wallet, version.number, made.share.epoch
