"""Wallets whose keys AWS KMS made and keeps, and the keys that it was asked for."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No key is in AWS KMS yet; what is signed of older rows stays as it was, as what is null has no bytes."""
    op.add_column("key_versions", sa.Column("kms_key", sa.String(255)))
    op.create_table(
        "kms_keys_begun",
        sa.Column("token", sa.String(32), nullable=False),
        sa.Column("wallet", sa.String(64), nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("kms_key", sa.String(255)),
        sa.Column("begun_at", sa.BigInteger, nullable=False),
        sa.Column("removed_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("token", name="pk_kms_keys_begun"),
    )
