"""Public keys by which clients sign their requests."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """No client has one yet."""
    op.create_table(
        "client_identities",
        sa.Column("fingerprint", sa.String(16), nullable=False),
        sa.Column("client", sa.String(32), nullable=False),
        sa.Column("public_key", sa.LargeBinary(32), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger),
        sa.Column("revoked_at", sa.BigInteger),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_client_identities"),
        sa.ForeignKeyConstraint(["client"], ["clients.id"], name="fk_client_identities_client"),
    )
