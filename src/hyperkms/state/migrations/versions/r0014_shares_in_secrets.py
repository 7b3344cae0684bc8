"""Shares of cosigners whose sealed bytes are in secrets, and the secrets that were begun."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No share is in a secret yet."""
    op.add_column("shares", sa.Column("secret", sa.LargeBinary(32)))
    op.create_table(
        "share_secrets",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("wallet", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("pieces", sa.Integer, nullable=False),
        sa.Column("noted_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_share_secrets"),
    )
