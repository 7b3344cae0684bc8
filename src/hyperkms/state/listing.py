"""What must hold in the transaction that lists a key version."""

import sqlalchemy as sa

from hyperkms.errors import Conflict, Unavailable
from hyperkms.state.schema import key_versions, orphans
from hyperkms.wallet import KeyVersion, PublicKey, WalletId


def require_listable(connection: sa.Connection, wallet: WalletId, version: KeyVersion) -> None:
    """Refuse a version whose sealed key is being removed, or whose key another wallet has or had."""
    place = sa.and_(orphans.c.wallet == wallet, orphans.c.version == version.number)
    if connection.execute(sa.select(orphans.c.wallet).where(place, orphans.c.removed_at.is_not(None))).first():
        words = f"what a cut-off call left of wallet {wallet}, version {version.number}, is being removed: ask again"
        raise Unavailable("sealed-key-being-removed", words)
    require_new_key(connection, wallet, version.public_key)
    connection.execute(orphans.delete().where(place))


def require_new_key(connection: sa.Connection, wallet: WalletId, public_key: PublicKey) -> None:
    """Conflict if another wallet has this key, or ever had it."""
    known = sa.and_(key_versions.c.public_key == public_key, key_versions.c.wallet != wallet)
    if connection.execute(sa.select(key_versions.c.number).where(known)).first():
        words = f"wallet {wallet}: another wallet has this key, or had it before it was retired; a key has one wallet"
        raise Conflict("key-known", words)
