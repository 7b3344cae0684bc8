"""Wallets, key versions and rotations as rows, and back."""

import json

import sqlalchemy as sa

from hyperkms.state.schema import key_versions, wallets
from hyperkms.wallet import Custody, KeyType, KeyVersion, Network, Origin, PublicKey, VersionState, Wallet, WalletId
from hyperkms.wallet_life import Rotation

VERSION_COLUMNS = tuple(column.label(f"version_{column.name}") for column in key_versions.c if column.name != "wallet")
"""The columns of a key version beside those of its wallet."""

CURRENT = sa.select(wallets, *VERSION_COLUMNS).join(
    key_versions,
    sa.and_(key_versions.c.wallet == wallets.c.id, key_versions.c.number == wallets.c.current_version),
)
"""Each wallet with its current version, for `wallet_of`."""


def wallet_of(fields: sa.RowMapping) -> Wallet:
    """The wallet of a row of `CURRENT`."""
    return Wallet(
        id=WalletId(fields["id"]),
        key_type=KeyType(fields["key_type"]),
        network=Network(fields["network"]) if fields["network"] else None,
        current=version_of(fields),
        created_at=fields["created_at"],
        metadata=json.loads(fields["metadata"]),
        revision=fields["revision"],
        retired_at=fields["retired_at"],
        retired_reason=fields["retired_reason"],
        custody=Custody(fields["custody"]),
        group_id=None if fields["group_id"] is None else bytes(fields["group_id"]),
    )


def version_of(fields: sa.RowMapping) -> KeyVersion:
    """The key version of a row with `VERSION_COLUMNS`."""
    return KeyVersion(
        number=fields["version_number"],
        state=VersionState(fields["version_state"]),
        public_key=PublicKey(bytes(fields["version_public_key"])),
        origin=Origin(fields["version_origin"]),
        created_at=fields["version_created_at"],
        activated_at=fields["version_activated_at"],
        expires_at=fields["version_expires_at"],
        retired_at=fields["version_retired_at"],
        destroyed_at=fields["version_destroyed_at"],
        kms_key=fields["version_kms_key"],
    )


def rotation_of(fields: sa.RowMapping) -> Rotation:
    """The rotation of a row."""
    return Rotation(
        from_version=fields["from_version"],
        to_version=fields["to_version"],
        rotated_at=fields["rotated_at"],
        reason=fields["reason"],
        client=fields["client"],
    )


def wallet_row(wallet: Wallet) -> dict[str, object]:
    """The row of a wallet."""
    return {
        "id": wallet.id,
        "key_type": wallet.key_type.value,
        "network": wallet.network.value if wallet.network else None,
        "metadata": json.dumps(dict(wallet.metadata), ensure_ascii=False),
        "created_at": wallet.created_at,
        "custody": wallet.custody.value,
        "group_id": wallet.group_id,
        **wallet_state(wallet),
    }


def wallet_state(wallet: Wallet) -> dict[str, object]:
    """What changes in the row of a wallet."""
    return {
        "current_version": wallet.current.number,
        "revision": wallet.revision,
        "retired_at": wallet.retired_at,
        "retired_reason": wallet.retired_reason,
    }


def version_row(wallet: WalletId, version: KeyVersion) -> dict[str, object]:
    """The row of a key version."""
    return {
        "wallet": wallet,
        "number": version.number,
        "public_key": version.public_key,
        "origin": version.origin.value,
        "created_at": version.created_at,
        "destroyed_at": version.destroyed_at,
        "kms_key": version.kms_key,
        **version_state(version),
    }


def version_state(version: KeyVersion) -> dict[str, object]:
    """What a move changes in the row of a key version."""
    return {
        "state": version.state.value,
        "activated_at": version.activated_at,
        "expires_at": version.expires_at,
        "retired_at": version.retired_at,
    }


def rotation_row(wallet: WalletId, rotation: Rotation) -> dict[str, object]:
    """The row of a rotation."""
    return {
        "wallet": wallet,
        "to_version": rotation.to_version,
        "from_version": rotation.from_version,
        "rotated_at": rotation.rotated_at,
        "reason": rotation.reason,
        "client": rotation.client,
    }
