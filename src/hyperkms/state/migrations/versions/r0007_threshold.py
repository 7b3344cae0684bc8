"""Wallets whose keys are shared among cosigners; shares, bans and ceremonies."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Every wallet there is is a standard one; no share was ever held."""
    op.add_column("wallets", sa.Column("custody", sa.String(16), nullable=False, server_default="standard"))
    op.add_column("wallets", sa.Column("group_id", sa.LargeBinary(32)))
    op.add_column("key_versions", sa.Column("epoch", sa.Integer))
    _make_shares()
    _make_ceremonies()
    op.create_table(
        "bans",
        sa.Column("member", sa.Integer, nullable=False),
        sa.Column("identity", sa.LargeBinary(32), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("identity", name="pk_bans"),
    )
    op.create_table(
        "bearer_wallets",
        sa.Column("wallet", sa.String(64), nullable=False),
        sa.Column("allowed_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("wallet", name="pk_bearer_wallets"),
    )


def _make_shares() -> None:
    op.create_table(
        "shares",
        sa.Column("wallet", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("key_type", sa.String(16), nullable=False),
        sa.Column("network", sa.String(16), nullable=False),
        sa.Column("sealed", sa.LargeBinary),
        sa.Column("public_key", sa.LargeBinary, nullable=False),
        sa.Column("group_key", sa.LargeBinary, nullable=False),
        sa.Column("session", sa.LargeBinary(32), nullable=False),
        sa.Column("acknowledgement", sa.LargeBinary(64), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("wallet", "version", "epoch", name="pk_shares"),
    )


def _make_ceremonies() -> None:
    op.create_table(
        "ceremonies",
        sa.Column("wallet", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("wallet", "version", "epoch", name="pk_ceremonies"),
    )
