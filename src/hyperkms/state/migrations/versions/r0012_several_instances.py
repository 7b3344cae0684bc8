"""What several instances on one database share, and a copy of the record."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing of it is used where one instance has the database."""
    op.add_column("instances", sa.Column("shares", sa.Boolean, nullable=False, server_default=sa.false()))
    op.add_column("instances", sa.Column("directory", sa.String(32)))
    op.add_column("requests", sa.Column("epoch", sa.BigInteger))
    op.create_table(
        "directories",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("host", sa.Text, nullable=False),
        sa.Column("added_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_directories"),
    )
    changes = op.create_table(
        "changes",
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("number", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("kind", name="pk_changes"),
    )
    op.bulk_insert(changes, [{"kind": "wallets", "number": 0}, {"kind": "clients", "number": 0}])
    op.create_table(
        "limit_cells",
        sa.Column("cell", sa.BigInteger, autoincrement=False, nullable=False),
        sa.Column("moment", sa.BigInteger, nullable=False),
        sa.Column("taken", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("cell", name="pk_limit_cells"),
    )
    op.create_table(
        "amounts",
        sa.Column("meter", sa.Integer, nullable=False),
        sa.Column("period", sa.BigInteger, nullable=False),
        sa.Column("ends", sa.Boolean, nullable=False),
        sa.Column("slot", sa.BigInteger, nullable=False),
        sa.Column("amount", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("meter", "period", "ends", "slot", name="pk_amounts"),
    )
    op.create_table(
        "record_chunks",
        sa.Column("directory", sa.String(32), nullable=False),
        sa.Column("file", sa.String(255), nullable=False),
        sa.Column("start", sa.BigInteger, nullable=False),
        sa.Column("content", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("directory", "file", "start", name="pk_record_chunks"),
    )
    op.create_table(
        "accepted_requests",
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("until", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_accepted_requests"),
    )
    op.create_index("ix_accepted_requests_until", "accepted_requests", ["until"])
