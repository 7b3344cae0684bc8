"""Wallets in shares and their cosigners as the bodies of answers."""

from collections.abc import Mapping, Sequence

import msgspec

from hyperkms.errors import Malformed
from hyperkms.http.mpc_schemas import (
    ConditionsAnswer,
    ConditionView,
    CosignerView,
    MpcStatusAnswer,
    MpcWalletView,
    ReplaceAnswer,
    ReplacedVersionView,
    ReplacedView,
)
from hyperkms.http.views import wallet_view
from hyperkms.operations.in_shares import PROTECTS, InShares
from hyperkms.operations.replace import Page, Replaced
from hyperkms.threshold.coordinator.coordinator import Seen
from hyperkms.threshold.coordinator.target import AUDITED, DKLS, FROST
from hyperkms.threshold.group import Group
from hyperkms.wallet import Wallet

OFF = MpcStatusAnswer(
    mpc_enabled=False,
    threshold="2",
    total_shares="3",
    algorithm="none",
    description="Threshold signing is off: wallets have single keys",
)


def mpc_wallet_view(wallet: Wallet, group: Group) -> MpcWalletView:
    """A wallet as it is shown, with the members of the first system."""
    shown = msgspec.structs.asdict(wallet_view(wallet))
    return MpcWalletView(**{**shown, "metadata": {**wallet.metadata, **_size(group)}, "mpc_enabled": True})


def require_own_size(metadata: Mapping[str, object], group: Group) -> None:
    """Malformed where a new wallet's metadata says that it is in shares of a group of another size.

    The first system's answers have these members; who sends others wants a wallet that is not to be had here.
    """
    for name, so in _size(group).items():
        said = metadata.get(name, so)
        if said != so or type(said) is not type(so):
            words = f"the cosigners of this service are {group.threshold} of {len(group.members)}, and every wallet in"
            raise Malformed.at(f"metadata.{name}", f"{words} shares is so: leave it out", "metadata-of-another-group")


def _size(group: Group) -> Mapping[str, object]:
    return {
        "mpcEnabled": True,
        "threshold": f"{group.threshold}-of-{len(group.members)}",
        "shareCount": len(group.members),
    }


def status_view(here: InShares | None) -> MpcStatusAnswer:
    """The group, and who of it answers; nobody is asked."""
    if here is None:
        return OFF
    coordinator = here.coordinator
    group, seen = coordinator.group, coordinator.status()
    return MpcStatusAnswer(
        mpc_enabled=True,
        threshold=str(group.threshold),
        total_shares=str(len(group.members)),
        algorithm=f"{FROST}, {DKLS} (secp256k1)",
        description=f"{group.threshold}-of-{len(group.members)} threshold signature scheme",
        protocol={"ed25519": FROST, "secp256k1": DKLS},
        audited={"ed25519": AUDITED[FROST], "secp256k1": AUDITED[DKLS]},
        deployment=coordinator.deployment,
        protects=PROTECTS[coordinator.deployment],
        cosigners=[CosignerView(index=one.index, name=one.name, alive=one.alive) for one in seen.cosigners],
        quorum_left=seen.quorum_left,
        group=group.name,
        fingerprint=group.fingerprint,
    )


def replaced_view(page: Page) -> ReplaceAnswer:
    """What was done, wallet by wallet."""
    return ReplaceAnswer(success=True, wallets=[_replaced(one) for one in page.wallets], next=page.next)


def conditions_view(seen: Sequence[Seen], *, now: int) -> ConditionsAnswer:
    """Every cosigner as it says itself."""
    return ConditionsAnswer(success=True, cosigners=[_condition(one, now) for one in seen])


def _replaced(done: Replaced) -> ReplacedView:
    failure = done.failure
    return ReplacedView(
        wallet_id=done.wallet,
        outcome=done.outcome,
        versions=[
            ReplacedVersionView(version=one.version, epoch=one.epoch, repaired=list(one.repaired))
            for one in done.versions
        ],
        code=None if failure is None else failure.code,
        error=None if failure is None else failure.message,
    )


def _condition(seen: Seen, now: int) -> ConditionView:
    member, said = seen.member, seen.condition
    if said is None:
        return ConditionView(index=member.index, name=member.name, address=member.address, error=seen.why)
    return ConditionView(
        index=member.index,
        name=member.name,
        address=member.address,
        wallets=said.wallets,
        shares_given=said.signed,
        refused=said.refused,
        banned=said.banned,
        log=said.log,
        log_lines=said.head_size,
        memory=said.memory,
        clock_ahead_ms=said.time - now,
    )
