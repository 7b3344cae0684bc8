"""Activate: the pending version of a wallet becomes the current one."""

from dataclasses import dataclass

from hyperkms import wallet_life
from hyperkms.operations.changing import Actor, Deed, commit
from hyperkms.operations.in_shares import activate_in_shares, admit_in_shares
from hyperkms.operations.parts import Parts
from hyperkms.state.completion import Completion, nothing_more
from hyperkms.wallet import KeyVersion, Wallet, WalletId
from hyperkms.wallet_life import Change, WalletHistory, require_live


@dataclass(frozen=True, kw_only=True)
class Rotated:
    """What a rotation came to: the new version is current, or pending, and the old one in grace, or current."""

    wallet: Wallet
    old: KeyVersion
    new: KeyVersion

    @classmethod
    def of(cls, history: WalletHistory, change: Change, number: int) -> "Rotated":
        """What a change made of the wallet's current version and the one of that number."""
        made = wallet_life.after(history, change)
        return cls(wallet=made.wallet, old=made.version(history.wallet.current.number), new=made.version(number))


def activate(  # noqa: PLR0913 (what the route takes, by name)
    parts: Parts,
    actor: Actor,
    wallet: WalletId,
    number: int,
    *,
    reason: str | None = None,
    completion: Completion[Rotated] = nothing_more,
) -> Rotated:
    """The version is current when this returns, and the one before it in grace. Asked for again, it answers the same.

    1. Read the wallet.
    2. Of one in shares, the cosigners sign with the version as well from here on.
    3. Make the change in one transaction, if the wallet is as it was at 1.
    4. Of one in shares, the cosigners have it current too, and the one before in grace.

    A process killed before 3 leaves everything as it was; one killed after it leaves 4 to the sweep.
    """
    history = parts.wallets.history(wallet)  # (1)
    require_live(history.wallet)
    rotation = history.rotation_to(number)
    if number == history.wallet.current.number and rotation:
        activate_in_shares(parts, history.wallet, number, actor.asker)  # (4)
        old, new = history.version(rotation.from_version), history.wallet.current
        return Rotated(wallet=history.wallet, old=old, new=new)
    change = wallet_life.activate(history, number, now=parts.clock(), grace_ms=parts.lifetimes.grace_ms)
    admit_in_shares(parts, history.wallet, number, actor.asker)  # (2)
    rotated = Rotated.of(history, change, number)
    deed = Deed(operation="activate", reason=reason)
    commit(parts, actor, change, deed, lambda connection: completion(connection, rotated))  # (3)
    activate_in_shares(parts, history.wallet, number, actor.asker)  # (4)
    return rotated
