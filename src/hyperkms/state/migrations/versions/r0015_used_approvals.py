"""Which approvals were used."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """None was used yet."""
    op.create_table(
        "used_approvals",
        sa.Column("key", sa.String(16), nullable=False, comment="fingerprint of the approver's key"),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False, comment="from then on it counts no more"),
        sa.PrimaryKeyConstraint("key", "id", name="pk_used_approvals"),
        comment="approvals of actions, each of which permits one signature",
    )
    op.create_index("ix_used_approvals_until", "used_approvals", ["until"])
