"""In which nonce file, of which boot, the counter of a signer can be gone on from."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Every signer starts above its ceiling once more, as before."""
    op.add_column("signers", sa.Column("file", sa.String(128)))
