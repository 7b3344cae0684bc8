"""The policies that stand for a wallet, put together with a client's grants."""

from hyperkms.access.authority import Authority, ReadyGrant
from hyperkms.access.policy.judge import Policy, trade_only
from hyperkms.access.policy.rules import MeterOf
from hyperkms.access.policy.store import Policies, PolicyVersion
from hyperkms.wallet import WalletId


def standing_authority(
    policies: Policies, client: str, wallet: WalletId, grants: tuple[ReadyGrant, ...], meter_of: MeterOf
) -> Authority:
    """What decides over the actions of a wallet for a client with these grants; asks the database."""
    standing = policies.standing(wallet)
    return Authority(
        client=client,
        wallet=wallet,
        grants=grants,
        policy=_ready(standing.enforced, "policy", meter_of) or trade_only(),
        shadow=_ready(standing.shadow, "shadow", meter_of),
    )


def _ready(version: PolicyVersion | None, effect: str, meter_of: MeterOf) -> Policy | None:
    """Ready to be asked. Its meters go on over versions: a rule of the same name goes on with what was spent."""
    if version is None:
        return None
    return Policy(version.label, version.document, lambda name: meter_of(f"{effect} {version.wallet}: {name}"))
