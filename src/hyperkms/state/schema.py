"""The tables. A change here needs a migration in `migrations/versions`."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
    }
)

facts = Table(
    "facts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("value", Text, nullable=False),
    comment="mode and root_key_id, written once",
)

wallets = Table(
    "wallets",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("key_type", String(16), nullable=False),
    Column("network", String(16)),
    Column("current_version", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("metadata", Text, nullable=False),
)

key_versions = Table(
    "key_versions",
    metadata,
    Column("wallet", String(64), ForeignKey("wallets.id"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("state", String(16), nullable=False),
    Column("public_key", LargeBinary, nullable=False),
    Column("origin", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("wallet", "number"),
)

sealed_keys = Table(
    "sealed_keys",
    metadata,
    Column("wallet", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    PrimaryKeyConstraint("wallet", "version"),
    comment="the database as a key store; no foreign key: a sealed key is durable before its wallet is listed",
)

clients = Table(
    "clients",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("key_prefix", String(16), nullable=False, unique=True),
    Column("key_sha256", LargeBinary(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),
)

signers = Table(
    "signers",
    metadata,
    Column("counter", Integer, primary_key=True, autoincrement=True, comment="place in the nonce file"),
    Column("address", String(42), nullable=False, unique=True),
    Column("ceiling", BigInteger, nullable=False, comment="every allocated nonce is at or below it"),
    Column("forgotten", BigInteger, nullable=False, comment="uses up to it are no longer remembered"),
)

caller_nonces = Table(
    "caller_nonces",
    metadata,
    Column("address", String(42), nullable=False),
    Column("nonce", BigInteger, nullable=False),
    PrimaryKeyConstraint("address", "nonce"),
    comment="nonces that callers chose themselves, of the last three days",
)
