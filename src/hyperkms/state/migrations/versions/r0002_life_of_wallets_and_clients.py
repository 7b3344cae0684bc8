"""States of key versions, rotations, client keys with overlap and expiry, idempotent requests."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring a database of the first schema to this one; what it holds stays valid."""
    _wallets()
    _clients()
    _requests()


def _wallets() -> None:
    op.add_column("wallets", sa.Column("revision", sa.Integer, nullable=False, server_default="1"))
    op.add_column("wallets", sa.Column("retired_at", sa.BigInteger))
    op.add_column("wallets", sa.Column("retired_reason", sa.Text))
    for name in ("activated_at", "expires_at", "retired_at", "destroyed_at"):
        op.add_column("key_versions", sa.Column(name, sa.BigInteger))
    op.execute("UPDATE key_versions SET activated_at = created_at")
    op.create_index("ix_key_versions_state_expires_at", "key_versions", ["state", "expires_at"])
    op.create_index("ix_key_versions_public_key", "key_versions", ["public_key"])
    op.create_table(
        "rotations",
        sa.Column("wallet", sa.String(64), nullable=False),
        sa.Column("to_version", sa.Integer, nullable=False),
        sa.Column("from_version", sa.Integer, nullable=False),
        sa.Column("rotated_at", sa.BigInteger),
        sa.Column("reason", sa.Text),
        sa.Column("client", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("wallet", "to_version", name="pk_rotations"),
        sa.ForeignKeyConstraint(["wallet"], ["wallets.id"], name="fk_rotations_wallet"),
    )
    op.create_table(
        "orphans",
        sa.Column("wallet", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("found_at", sa.BigInteger, nullable=False),
        sa.Column("removed_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("wallet", "version", name="pk_orphans"),
    )


def _clients() -> None:
    op.rename_table("clients", "clients_of_0001")
    if op.get_bind().dialect.name == "postgresql":  # where the names of constraints are those of the whole schema
        for name in ("pk_clients", "uq_clients_name"):
            op.execute(f"ALTER INDEX {name} RENAME TO {name}_of_0001")
    op.create_table(
        "clients",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("wallets", sa.Text),
        sa.Column("operations", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(64)),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_clients"),
        sa.UniqueConstraint("name", name="uq_clients_name"),
        sa.UniqueConstraint("number", name="uq_clients_number"),
    )
    op.create_table(
        "client_keys",
        sa.Column("prefix", sa.String(16), nullable=False),
        sa.Column("client", sa.String(32), nullable=False),
        sa.Column("sha256", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("prefix", name="pk_client_keys"),
        sa.ForeignKeyConstraint(["client"], ["clients.id"], name="fk_client_keys_client"),
    )
    op.execute(
        "INSERT INTO clients (id, number, name, role, created_at) "
        "SELECT id, row_number() OVER (ORDER BY created_at, id), name, role, created_at FROM clients_of_0001"
    )
    op.execute(
        "INSERT INTO client_keys (prefix, client, sha256, created_at) "
        "SELECT key_prefix, id, key_sha256, created_at FROM clients_of_0001"
    )
    op.drop_table("clients_of_0001")


def _requests() -> None:
    op.create_table(
        "requests",
        sa.Column("client", sa.String(64), nullable=False),
        sa.Column("key", sa.String(255), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(32), nullable=False),
        sa.Column("request_id", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("plan", sa.Text),
        sa.Column("answer", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("client", "key", name="pk_requests"),
    )
    op.create_index("ix_requests_created_at", "requests", ["created_at"])
