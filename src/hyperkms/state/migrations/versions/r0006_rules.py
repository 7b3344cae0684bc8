"""Grants in place of the scopes of clients, of the same reach; policies and the meters of their limits."""

import json
import secrets

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_LEGACY = ("generate", "migrate", "read", "rotate", "sign-bytes", "sign-order", "sign-text")
_SIGNING = {"trade", "sign-order", "sign-bytes", "sign-text"}


def upgrade() -> None:
    """Every client may afterwards what it could before."""
    op.add_column("clients", sa.Column("networks", sa.Text))
    _make_tables()
    _turn_scopes_into_grants()
    op.drop_column("clients", "wallets")
    op.drop_column("clients", "operations")


def _make_tables() -> None:
    op.create_table(
        "grants",
        sa.Column("id", sa.String(16), nullable=False),
        sa.Column("client", sa.String(32), nullable=False),
        sa.Column("wallet", sa.String(64)),
        sa.Column("operation", sa.String(16), nullable=False),
        sa.Column("actions", sa.Text),
        sa.Column("limits", sa.Text),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(64)),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("ended_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("id", name="pk_grants"),
        sa.ForeignKeyConstraint(["client"], ["clients.id"], name="fk_grants_client"),
    )
    op.create_index("ix_grants_client", "grants", ["client"])
    op.create_table(
        "policies",
        sa.Column("wallet", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("created_by", sa.String(64), nullable=False),
        sa.Column("reason", sa.Text),
        sa.PrimaryKeyConstraint("wallet", "version", name="pk_policies"),
        sa.ForeignKeyConstraint(["wallet"], ["wallets.id"], name="fk_policies_wallet"),
    )
    op.create_table(
        "wallet_policies",
        sa.Column("wallet", sa.String(64), nullable=False),
        sa.Column("enforced", sa.Integer),
        sa.Column("shadow", sa.Integer),
        sa.PrimaryKeyConstraint("wallet", name="pk_wallet_policies"),
        sa.ForeignKeyConstraint(["wallet"], ["wallets.id"], name="fk_wallet_policies_wallet"),
    )
    op.create_table(
        "meters",
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("name", sa.String(255), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_meters"),
        sa.UniqueConstraint("name", name="uq_meters_name"),
        sqlite_autoincrement=True,
    )


def _turn_scopes_into_grants() -> None:
    connection = op.get_bind()
    found = connection.execute(
        sa.text(
            "SELECT id, role, wallets, operations, created_at, created_by FROM clients WHERE role IN ('bot', 'legacy')"
        )
    )
    for client, role, wallets, operations, created_at, created_by in found.all():
        if role == "legacy":
            if wallets is None:
                continue  # the role says it, and goes on saying it
            allowed = _without_what_follows(set(_LEGACY))
            connection.execute(sa.text("UPDATE clients SET role = 'bot' WHERE id = :id"), {"id": client})
        else:
            allowed = _without_what_follows(set(json.loads(operations or "[]")))
        for operation in sorted(allowed):
            everywhere = wallets is None or operation == "metrics"  # which shows no single wallet
            for wallet in [None] if everywhere else sorted(json.loads(wallets)):
                connection.execute(
                    sa.text(
                        "INSERT INTO grants (id, client, wallet, operation, created_at, created_by) "
                        "VALUES (:id, :client, :wallet, :operation, :created_at, :created_by)"
                    ),
                    {
                        "id": secrets.token_hex(8),
                        "client": client,
                        "wallet": wallet,
                        "operation": operation,
                        "created_at": created_at,
                        "created_by": created_by,
                    },
                )


def _without_what_follows(allowed: set[str]) -> set[str]:
    """What another one brings with it has no grant of its own: it would outlive the other."""
    if "trade" in allowed:
        allowed.discard("sign-order")
    return allowed - {"read"} if allowed & _SIGNING else allowed
