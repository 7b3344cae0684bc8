"""Wallets for which a cosigner in production signs without a client's signed request."""

import sqlalchemy as sa

from hyperkms.state.completion import Within
from hyperkms.state.database import Database
from hyperkms.state.schema import bearer_wallets
from hyperkms.wallet import WalletId


class BearerWallets:
    """The table of them; each question reads it, so that a change holds at once."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def has(self, wallet: WalletId) -> bool:
        """Whether it is one."""
        query = sa.select(bearer_wallets.c.wallet).where(bearer_wallets.c.wallet == wallet)
        with self._database.read() as connection:
            return connection.execute(query).first() is not None

    def set(self, wallet: WalletId, before_commit: Within, *, now: int) -> bool:
        """Let it be one; False if it is already."""
        with self._database.write() as connection:
            known = sa.select(bearer_wallets.c.wallet).where(bearer_wallets.c.wallet == wallet)
            if connection.execute(known).first():
                return False
            connection.execute(bearer_wallets.insert().values(wallet=wallet, allowed_at=now))
            before_commit(connection)
        return True

    def unset(self, wallet: WalletId, before_commit: Within) -> bool:
        """Let it be one no more; False if it is none."""
        with self._database.write() as connection:
            done = connection.execute(bearer_wallets.delete().where(bearer_wallets.c.wallet == wallet)).rowcount
            if done:
                before_commit(connection)
        return bool(done)
