"""The policies of wallets in the database: every version there ever was, and which one holds."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias

import sqlalchemy as sa

from hyperkms.access.policy.document import PolicyDocument, canonical_text, policy_of
from hyperkms.errors import Conflict, HyperkmsError, NotFound, Tampered
from hyperkms.state.completion import Completion, nothing_more
from hyperkms.state.database import Database
from hyperkms.state.generation import Generation
from hyperkms.state.row_bytes import Subject, policy_subject, wallet_subject
from hyperkms.state.row_signatures import RowSignatures
from hyperkms.state.schema import policies, wallet_policies, wallets
from hyperkms.wallet import WalletId, no_such_wallet


class Effect(Enum):
    """What a version of a policy does."""

    ENFORCED = "enforced"
    """It decides."""
    SHADOW = "shadow"
    """What it would refuse is recorded, and signed all the same if the enforced one allows it."""


@dataclass(frozen=True, kw_only=True)
class NewPolicy:
    """What is asked for."""

    wallet: WalletId
    document: PolicyDocument
    effect: Effect
    reason: str | None
    expected: int | None
    """The number of the newest version; Conflict if it is another, since somebody was first. None: whatever it is."""


@dataclass(frozen=True, kw_only=True)
class PolicyVersion:
    """A version of a wallet's policy."""

    wallet: WalletId
    number: int
    """From 1, without gaps."""
    document: PolicyDocument
    created_at: int
    """Milliseconds since 1970."""
    created_by: str
    reason: str | None

    @property
    def label(self) -> str:
        """How records and refusals call it."""
        return f"{self.wallet}/{self.number}"


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What holds for a wallet now."""

    wallet: WalletId
    enforced: PolicyVersion | None
    """None: the built-in trade-only."""
    shadow: PolicyVersion | None
    newest: int
    """The number of the newest version; 0 if there never was one."""


BeforeCommit: TypeAlias = Callable[[Standing], None]
"""Called with what will hold, once nothing else can be refused; what it raises undoes the change."""


class Policies:
    """Policies by wallet. A change of one counts as a change of the wallet, so every process sees it at once."""

    def __init__(self, database: Database, generation: Generation, rows: RowSignatures) -> None:
        self._database = database
        self._generation = generation
        self._rows = rows

    def standing(self, wallet: WalletId) -> Standing:
        """What holds for a wallet; Tampered if it cannot be read or is not what was signed: nothing is."""
        with self._rows.reading(self._database, wallet_subject(wallet)) as connection:
            return self._verified(connection, wallet)

    def versions(self, wallet: WalletId) -> list[PolicyVersion]:
        """Every version there ever was, oldest first."""
        query = sa.select(policies).where(policies.c.wallet == wallet).order_by(policies.c.version)
        with self._database.read() as connection:
            return [_version(row) for row in connection.execute(query)]

    def apply(
        self,
        new: NewPolicy,
        *,
        by: str,
        now: int,
        before_commit: BeforeCommit,
        completion: Completion[Standing] = nothing_more,
    ) -> Standing:
        """Make a new version and give it effect, in one transaction; with one that is enforced the shadow ends.

        Where the same document has that effect already and nothing would change, there is no new version, and
        `before_commit` is not called.
        """
        wallet = new.wallet
        made: list[Subject] = []
        with self._rows.changing(self._generation, self._database, wallet_subject(wallet), made) as connection:
            _require_wallet(connection, wallet)
            newest = _newest(connection, wallet)
            if new.expected not in (None, newest):
                words = (
                    f"the newest policy of wallet {wallet} is version {newest}, not {new.expected}: look at it first"
                )
                raise Conflict("policy-changed", words)
            if _holds(connection, new):
                return self._finish(connection, wallet, _nothing_noted, completion)
            row = {
                "wallet": wallet,
                "version": newest + 1,
                "document": canonical_text(new.document),
                "created_at": now,
                "created_by": by,
                "reason": new.reason,
            }
            connection.execute(policies.insert().values(row))
            made.append(policy_subject(wallet, newest + 1))
            _set(connection, wallet, **{new.effect.value: newest + 1})
            if new.effect is Effect.ENFORCED:
                _set(connection, wallet, shadow=None)
            return self._finish(connection, wallet, before_commit, completion, made)

    def choose(
        self,
        wallet: WalletId,
        number: int | None,
        effect: Effect,
        *,
        before_commit: BeforeCommit,
        completion: Completion[Standing] = nothing_more,
    ) -> Standing:
        """Give a version that exists effect; with None end that effect: enforced falls back to trade-only."""
        with self._rows.changing(self._generation, self._database, wallet_subject(wallet)) as connection:
            _require_wallet(connection, wallet)
            if number is not None:
                self._rows.check_within(connection, policy_subject(wallet, number))
                _get(connection, wallet, number)
            _set(connection, wallet, **{effect.value: number})
            if effect is Effect.ENFORCED and number is not None:
                shadow = wallet_policies.update().where(
                    wallet_policies.c.wallet == wallet, wallet_policies.c.shadow == number
                )
                connection.execute(shadow.values(shadow=None))
            return self._finish(connection, wallet, before_commit, completion)

    def _finish(
        self,
        connection: sa.Connection,
        wallet: WalletId,
        before_commit: BeforeCommit,
        completion: Completion[Standing],
        made: Sequence[Subject] = (),
    ) -> Standing:
        standing = self._verified(connection, wallet, made)
        before_commit(standing)
        completion(connection, standing)
        return standing

    def _verified(self, connection: sa.Connection, wallet: WalletId, made: Sequence[Subject] = ()) -> Standing:
        """What holds; each version is what was signed, but those just made, which are not signed yet."""
        standing = _standing(connection, wallet)
        for version in (standing.enforced, standing.shadow):
            if version is not None and policy_subject(wallet, version.number) not in made:
                self._rows.check_within(connection, policy_subject(wallet, version.number))
        return standing


def _nothing_noted(_standing: Standing) -> None:
    """Nothing changes."""


def _holds(connection: sa.Connection, new: NewPolicy) -> bool:
    """Whether the very text has the effect already; what is damaged is another."""
    row = connection.execute(sa.select(wallet_policies).where(wallet_policies.c.wallet == new.wallet)).one_or_none()
    if row is None or (new.effect is Effect.ENFORCED and row.shadow is not None):
        return False
    number = row.enforced if new.effect is Effect.ENFORCED else row.shadow
    query = sa.select(policies.c.document).where(policies.c.wallet == new.wallet, policies.c.version == number)
    return connection.execute(query).scalar() == canonical_text(new.document)


def _standing(connection: sa.Connection, wallet: WalletId) -> Standing:
    row = connection.execute(sa.select(wallet_policies).where(wallet_policies.c.wallet == wallet)).one_or_none()
    enforced = None if row is None or row.enforced is None else _held(connection, wallet, row.enforced)
    shadow = None if row is None or row.shadow is None else _held(connection, wallet, row.shadow)
    return Standing(wallet=wallet, enforced=enforced, shadow=shadow, newest=_newest(connection, wallet))


def _set(connection: sa.Connection, wallet: WalletId, **effects: int | None) -> None:
    changed = wallet_policies.update().where(wallet_policies.c.wallet == wallet).values(effects)
    if connection.execute(changed).rowcount == 0:
        connection.execute(wallet_policies.insert().values(wallet=wallet, **effects))


def _newest(connection: sa.Connection, wallet: WalletId) -> int:
    query = sa.select(sa.func.max(policies.c.version)).where(policies.c.wallet == wallet)
    return int(connection.execute(query).scalar() or 0)


def _held(connection: sa.Connection, wallet: WalletId, number: int) -> PolicyVersion:
    try:
        return _get(connection, wallet, number)
    except NotFound as error:
        words = f"version {number} of the policy of wallet {wallet} should hold and is gone: nothing is signed under it"
        raise Tampered("policy-damaged", words) from error


def _get(connection: sa.Connection, wallet: WalletId, number: int) -> PolicyVersion:
    query = sa.select(policies).where(policies.c.wallet == wallet, policies.c.version == number)
    row = connection.execute(query).one_or_none()
    if row is None:
        raise NotFound("policy-not-found", f"wallet {wallet} has no policy of version {number}")
    return _version(row)


def _version(row: Any) -> PolicyVersion:
    try:
        document = policy_of(json.loads(row.document))
    except (ValueError, TypeError, HyperkmsError) as error:
        words = f"version {row.version} of the policy of wallet {row.wallet} cannot be read: nothing is signed under it"
        raise Tampered("policy-damaged", words) from error
    return PolicyVersion(
        wallet=WalletId(row.wallet),
        number=row.version,
        document=document,
        created_at=row.created_at,
        created_by=row.created_by,
        reason=row.reason,
    )


def _require_wallet(connection: sa.Connection, wallet: WalletId) -> None:
    if connection.execute(sa.select(wallets.c.id).where(wallets.c.id == wallet)).first() is None:
        raise no_such_wallet(wallet)
