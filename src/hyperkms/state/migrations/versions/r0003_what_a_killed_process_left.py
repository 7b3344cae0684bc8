"""What a killed process left and the next one goes on from: nonce counters, answers without a row."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Every signer starts above its ceiling once more, as before."""
    op.add_column("signers", sa.Column("file", sa.String(128)))
    op.create_table(
        "transfers",
        sa.Column("log", sa.String(32), nullable=False),
        sa.Column("done", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("log", name="pk_transfers"),
    )
