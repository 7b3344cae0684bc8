"""What is due in the database: graces that ended, keys to destroy, old rows."""

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from hyperkms.state.database import Database
from hyperkms.state.schema import key_versions, requests, wallets
from hyperkms.wallet import Custody, VersionState, WalletId

REQUESTS_KEPT_MS = 3 * 24 * 3600 * 1000
_CHUNK = 500


class Upkeep:
    """Questions of the sweep, and its deletions of rows that are no wallet's."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def with_ended_grace(self, now: int) -> Sequence[WalletId]:
        """Wallets with a version whose grace has ended and that is not yet retired."""
        ended = sa.and_(key_versions.c.state == VersionState.RETIRING.value, key_versions.c.expires_at <= now)
        return self._wallets(sa.select(key_versions.c.wallet).where(ended).distinct())

    def with_ended_last_grace(self, now: int) -> Sequence[WalletId]:
        """Retired wallets with a version whose grace has ended and that is not yet retired."""
        ended = sa.and_(key_versions.c.state == VersionState.RETIRING.value, key_versions.c.expires_at <= now)
        query = sa.select(key_versions.c.wallet).join(wallets, wallets.c.id == key_versions.c.wallet)
        return self._wallets(query.where(ended, wallets.c.retired_at.is_not(None)).distinct())

    def with_keys_to_destroy(self) -> Sequence[WalletId]:
        """Wallets with a retired version whose sealed key is not yet known to be gone."""
        due = sa.and_(key_versions.c.state == VersionState.RETIRED.value, key_versions.c.destroyed_at.is_(None))
        return self._wallets(sa.select(key_versions.c.wallet).where(due).distinct())

    def rotated_in_shares(self) -> Sequence[tuple[WalletId, int]]:
        """Live wallets in shares of which cosigners hold a version that is not current any more; and which one is."""
        ended = sa.or_(
            key_versions.c.state == VersionState.RETIRING.value,
            sa.and_(key_versions.c.state == VersionState.RETIRED.value, key_versions.c.destroyed_at.is_(None)),
        )
        before = sa.and_(
            key_versions.c.wallet == wallets.c.id, key_versions.c.number < wallets.c.current_version, ended
        )
        live = sa.and_(wallets.c.retired_at.is_(None), wallets.c.custody == Custody.MPC.value)
        query = sa.select(wallets.c.id, wallets.c.current_version).join(key_versions, before).where(live).distinct()
        with self._database.read() as connection:
            return [(WalletId(row.id), row.current_version) for row in connection.execute(query)]

    def with_version_from_before(self, moment: int) -> Sequence[WalletId]:
        """Live wallets whose current version has been so since that moment or longer, and that have none pending."""
        pending = key_versions.alias()
        waits = sa.exists().where(pending.c.wallet == wallets.c.id, pending.c.state == VersionState.PENDING.value)
        current = sa.and_(key_versions.c.wallet == wallets.c.id, key_versions.c.number == wallets.c.current_version)
        old = sa.and_(wallets.c.retired_at.is_(None), key_versions.c.activated_at <= moment, ~waits)
        return self._wallets(sa.select(wallets.c.id).join(key_versions, current).where(old))

    def retired_among(self, places: Sequence[tuple[WalletId, int]]) -> Sequence[tuple[WalletId, int]]:
        """Those versions that never sign again."""
        found: list[tuple[WalletId, int]] = []
        for start in range(0, len(places), _CHUNK):
            found += self._retired_among(places[start : start + _CHUNK])
        return found

    def forget_requests(self, now: int) -> None:
        """Drop what was kept of requests with an Idempotency-Key for three days."""
        self._database.forget(requests, requests.c.created_at < now - REQUESTS_KEPT_MS)

    def _retired_among(self, places: Iterable[tuple[WalletId, int]]) -> Sequence[tuple[WalletId, int]]:
        place = sa.tuple_(key_versions.c.wallet, key_versions.c.number)
        over = sa.or_(key_versions.c.state == VersionState.RETIRED.value, wallets.c.retired_at.is_not(None))
        query = (
            sa.select(key_versions.c.wallet, key_versions.c.number)
            .join(wallets, wallets.c.id == key_versions.c.wallet)
            .where(place.in_(list(places)), over)
        )
        with self._database.read() as connection:
            return [(WalletId(row.wallet), row.number) for row in connection.execute(query)]

    def _wallets(self, query: sa.Select[Any]) -> Sequence[WalletId]:
        with self._database.read() as connection:
            return [WalletId(wallet) for wallet in connection.execute(query).scalars()]
