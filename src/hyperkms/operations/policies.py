"""The policy of a wallet: show it, change it, say what it would do.

Each change is written down before it holds, the whole document with it: what the record says of a decision can be
read again under the very rules that made it.
"""

from dataclasses import dataclass
from typing import NamedTuple

import msgspec
import sqlalchemy as sa

from hyperkms.access.clients import Client, Operation
from hyperkms.access.policy.document import PolicyDocument
from hyperkms.access.policy.store import Effect, NewPolicy, PolicyVersion, Standing
from hyperkms.audit.record import PolicyRecord
from hyperkms.errors import Malformed
from hyperkms.operations.caller import Caller
from hyperkms.operations.parts import Parts
from hyperkms.operations.permission import wallet_for
from hyperkms.operations.policy_doubts import doubts_of
from hyperkms.state.completion import Completion, nothing_more
from hyperkms.wallet import KeyType, Wallet, WalletId


@dataclass(frozen=True, kw_only=True)
class ShownPolicy:
    """What holds for a wallet, and every version there ever was; no policy ever holds for an ed25519 wallet."""

    key_type: KeyType
    standing: Standing
    versions: list[PolicyVersion]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """A version to be enforced or put in shadow; None ends that effect."""

    wallet: WalletId
    effect: Effect
    number: int | None
    reason: str | None


@dataclass(frozen=True, kw_only=True)
class Applied:
    """What holds after a policy was applied."""

    standing: Standing
    is_new: bool
    """False: the same document had that effect already, and there is no new version."""
    doubts: list[str]
    """What speaks against it all the same."""


class _Deed(NamedTuple):
    operation: str
    reason: str | None
    made: PolicyVersion | None


def show_policy(parts: Parts, client: Client, wallet: WalletId) -> ShownPolicy:
    """For whoever may read the wallet."""
    found = wallet_for(parts, client, wallet, Operation.READ)
    standing, versions = parts.policies.standing(wallet), parts.policies.versions(wallet)
    return ShownPolicy(key_type=found.key_type, standing=standing, versions=versions)


def doubt_policy(parts: Parts, client: Client, wallet: WalletId, document: PolicyDocument) -> list[str]:
    """What `apply_policy` would say against this one; nothing is changed. For whoever may read the wallet."""
    found = _with_policies(wallet_for(parts, client, wallet, Operation.READ))
    return doubts_of(parts, found.network, document)


def apply_policy(
    parts: Parts, caller: Caller, new: NewPolicy, *, completion: Completion[Applied] = nothing_more
) -> Applied:
    """A new version; it decides, or watches in shadow, from the next request on, in every process."""
    wallet = _require_policies(parts, caller, new.wallet)
    doubts = doubts_of(parts, wallet.network, new.document)
    written = list[Standing]()

    def noted(standing: Standing) -> None:
        _write_down(parts, caller, standing, _Deed("apply-policy", new.reason, _newest(standing)))
        written.append(standing)

    def applied(standing: Standing) -> Applied:
        return Applied(standing=standing, is_new=bool(written), doubts=doubts)

    def completed(connection: sa.Connection, standing: Standing) -> None:
        completion(connection, applied(standing))

    by, now = caller.client.name, parts.clock()
    return applied(parts.policies.apply(new, by=by, now=now, before_commit=noted, completion=completed))


def choose_policy(
    parts: Parts, caller: Caller, choice: Choice, *, completion: Completion[Standing] = nothing_more
) -> Standing:
    """A version that exists decides or watches from now on; with None for enforced the built-in trade-only decides."""
    _require_policies(parts, caller, choice.wallet)

    def noted(standing: Standing) -> None:
        _write_down(parts, caller, standing, _Deed("choose-policy", choice.reason, None))

    return parts.policies.choose(
        choice.wallet, choice.number, choice.effect, before_commit=noted, completion=completion
    )


def _require_policies(parts: Parts, caller: Caller, wallet: WalletId) -> Wallet:
    caller.client.require(Operation.ADMINISTER)
    return _with_policies(parts.wallets.get(wallet))


def _with_policies(wallet: Wallet) -> Wallet:
    """Itself, if it signs actions; Malformed if it signs bytes."""
    if wallet.key_type is not KeyType.SECP256K1:
        words = f"wallet {wallet.id} has an ed25519 key and signs bytes that no policy can read; it signs no actions"
        raise Malformed.at("walletId", words, "wrong-key-type")
    return wallet


def _newest(standing: Standing) -> PolicyVersion | None:
    both = (standing.enforced, standing.shadow)
    return next((one for one in both if one is not None and one.number == standing.newest), None)


def _number(version: PolicyVersion | None) -> int | None:
    return None if version is None else version.number


def _write_down(parts: Parts, caller: Caller, standing: Standing, deed: _Deed) -> None:
    made = deed.made
    record = PolicyRecord(
        time=parts.clock(),
        request_id=caller.request_id,
        client=caller.client.name,
        wallet=standing.wallet,
        operation=deed.operation,
        enforced=_number(standing.enforced),
        shadow=_number(standing.shadow),
        version=_number(made),
        document=None if made is None else msgspec.to_builtins(made.document),
        reason=deed.reason,
    )
    parts.record.append(record).wait()
