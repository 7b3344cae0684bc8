"""The tables. A change here needs a migration in `migrations/versions`."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    false,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_name)s",
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
    Column("revision", Integer, nullable=False, server_default="1", comment="one more with every change"),
    Column("retired_at", BigInteger),
    Column("retired_reason", Text),
    Column(
        "custody",
        String(16),
        nullable=False,
        server_default="standard",
        comment="standard, mpc or kms-native",
    ),
    Column("group_id", LargeBinary(32), comment="of an mpc wallet: whose shares these are"),
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
    Column("activated_at", BigInteger),
    Column("expires_at", BigInteger, comment="the end of its grace, once another version is current"),
    Column("retired_at", BigInteger),
    Column("destroyed_at", BigInteger, comment="since then no live store has its sealed key"),
    Column("epoch", Integer, comment="of an mpc wallet: which shares of the key are in force"),
    Column("kms_key", String(255), comment="of a kms-native wallet: the ARN of the key in AWS KMS"),
    PrimaryKeyConstraint("wallet", "number"),
    Index("ix_key_versions_state_expires_at", "state", "expires_at"),
    Index("ix_key_versions_public_key", "public_key"),
)

rotations = Table(
    "rotations",
    metadata,
    Column("wallet", String(64), ForeignKey("wallets.id"), nullable=False),
    Column("to_version", Integer, nullable=False),
    Column("from_version", Integer, nullable=False),
    Column("rotated_at", BigInteger, comment="null while the new version is pending"),
    Column("reason", Text),
    Column("client", String(64), nullable=False),
    PrimaryKeyConstraint("wallet", "to_version"),
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

log_keys = Table(
    "log_keys",
    metadata,
    Column("id", String(16), primary_key=True, comment="the first 16 hex digits of SHA-256 of the public key"),
    Column("public_key", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    comment="the key that signs the record: one a data directory",
)

store_keys = Table(
    "store_keys",
    metadata,
    Column("id", String(16), primary_key=True, comment="the first 16 hex digits of SHA-256 of the public key"),
    Column("public_key", LargeBinary, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    comment="the key that signs rows: one a database",
)

row_signatures = Table(
    "row_signatures",
    metadata,
    Column("kind", String(16), nullable=False, comment="wallet, client or policy"),
    Column("subject", String(96), nullable=False, comment="its id; of a policy wallet/version"),
    Column("sequence", BigInteger, nullable=False, comment="one more with every change"),
    Column("signature", LargeBinary, nullable=False, comment="by the store key"),
    PrimaryKeyConstraint("kind", "subject"),
    comment="no foreign key: a row that is gone leaves its signature, which says so",
)

orphans = Table(
    "orphans",
    metadata,
    Column("wallet", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("found_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger, comment="from then on no version may be listed in this place"),
    PrimaryKeyConstraint("wallet", "version"),
    comment="sealed keys that no version names, until they are removed",
)

kms_keys_begun = Table(
    "kms_keys_begun",
    metadata,
    Column("token", String(32), primary_key=True, comment="the tag hyperkms:making of the key"),
    Column("wallet", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("kms_key", String(255), comment="its ARN, once AWS KMS has answered"),
    Column("begun_at", BigInteger, nullable=False),
    Column("removed_at", BigInteger, comment="from then on no version may be listed with this key"),
    comment="keys that AWS KMS is asked for, until a version names them or they are withdrawn",
)

clients = Table(
    "clients",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("number", Integer, nullable=False, unique=True, comment="from 1; its place among the shared limits"),
    Column("name", String(64), nullable=False, unique=True),
    Column("role", String(16), nullable=False),
    Column("networks", Text, comment="a JSON list of networks it may ask from; none: from anywhere"),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(64)),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
)

grants = Table(
    "grants",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("client", String(32), ForeignKey("clients.id"), nullable=False),
    Column("wallet", String(64), comment="none: every wallet"),
    Column("operation", String(16), nullable=False),
    Column("actions", Text, comment="a JSON list of action classes; none: every class"),
    Column("limits", Text, comment="rules as JSON"),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(64)),
    Column("expires_at", BigInteger),
    Column("ended_at", BigInteger),
    Index("ix_grants_client", "client"),
)

policies = Table(
    "policies",
    metadata,
    Column("wallet", String(64), ForeignKey("wallets.id"), nullable=False),
    Column("version", Integer, nullable=False),
    Column("document", Text, nullable=False, comment="as JSON"),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(64), nullable=False),
    Column("reason", Text),
    PrimaryKeyConstraint("wallet", "version"),
    comment="every version that ever was; never changed",
)

wallet_policies = Table(
    "wallet_policies",
    metadata,
    Column("wallet", String(64), ForeignKey("wallets.id"), primary_key=True),
    Column("enforced", Integer, comment="none: the built-in trade-only"),
    Column("shadow", Integer, comment="what it would refuse is recorded"),
)

meters = Table(
    "meters",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=True, comment="place in the file of meters"),
    Column("name", String(255), nullable=False, unique=True),
    Column("created_at", BigInteger, nullable=False),
)

client_keys = Table(
    "client_keys",
    metadata,
    Column("prefix", String(16), primary_key=True),
    Column("client", String(32), ForeignKey("clients.id"), nullable=False),
    Column("sha256", LargeBinary(32), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, comment="the end of the overlap, once another key has been made"),
    Column("revoked_at", BigInteger),
)

client_identities = Table(
    "client_identities",
    metadata,
    Column("fingerprint", String(16), primary_key=True, comment="the first 16 hex digits of the key's SHA-256"),
    Column("client", String(32), ForeignKey("clients.id"), nullable=False),
    Column("public_key", LargeBinary(32), nullable=False, comment="Ed25519; it signs the client's requests"),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger, comment="the end of the overlap, once another key has been given"),
    Column("revoked_at", BigInteger),
)

requests = Table(
    "requests",
    metadata,
    Column("client", String(64), nullable=False),
    Column("key", String(255), nullable=False, comment="the Idempotency-Key"),
    Column("fingerprint", LargeBinary(32), nullable=False, comment="SHA-256 of path and body"),
    Column("request_id", String(32), nullable=False, comment="of the request that reserved it"),
    Column("state", String(16), nullable=False, comment="reserved or recorded"),
    Column("plan", Text, comment="all that goes into the digest, settled before signing"),
    Column("answer", Text, comment="the body of the answer, once it is recorded; none if it showed a secret"),
    Column("created_at", BigInteger, nullable=False),
    Column("epoch", BigInteger, comment="of several instances: the one that works on it"),
    PrimaryKeyConstraint("client", "key"),
    Index("ix_requests_created_at", "created_at"),
)

transfers = Table(
    "transfers",
    metadata,
    Column("log", String(32), primary_key=True, comment="a log that a living process writes, or a dead one wrote"),
    Column("done", BigInteger, nullable=False, comment="lines before this byte have their rows in requests"),
)

signers = Table(
    "signers",
    metadata,
    Column("counter", Integer, primary_key=True, autoincrement=True, comment="place in the nonce file"),
    Column("address", String(42), nullable=False, unique=True),
    Column("ceiling", BigInteger, nullable=False, comment="every allocated nonce is at or below it"),
    Column("forgotten", BigInteger, nullable=False, comment="uses up to it are no longer remembered"),
    Column("file", String(128), comment="the boot and the nonce file in which its counter is whole"),
)

caller_nonces = Table(
    "caller_nonces",
    metadata,
    Column("address", String(42), nullable=False),
    Column("nonce", BigInteger, nullable=False),
    PrimaryKeyConstraint("address", "nonce"),
    comment="nonces that callers chose themselves, of the last three days",
)

shares = Table(
    "shares",
    metadata,
    Column("wallet", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("state", String(16), nullable=False, comment="kept, in-force, superseded or retired"),
    Column("key_type", String(16), nullable=False),
    Column("network", String(16), nullable=False),
    Column("sealed", LargeBinary, comment="none once it is retired, and where it is in a secret"),
    Column("public_key", LargeBinary, nullable=False),
    Column("group_key", LargeBinary, nullable=False),
    Column("session", LargeBinary(32), nullable=False, comment="in which it was made"),
    Column("acknowledgement", LargeBinary(64), nullable=False, comment="this cosigner's own, that it keeps it"),
    Column("created_at", BigInteger, nullable=False),
    Column("secret", LargeBinary(32), comment="SHA-256 of what is sealed, which names its secrets; none once retired"),
    PrimaryKeyConstraint("wallet", "version", "epoch"),
    comment="a cosigner's; no foreign key: a share is durable before its wallet is listed",
)

share_secrets = Table(
    "share_secrets",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("wallet", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("pieces", Integer, nullable=False, comment="so many secrets have it, one after another"),
    Column("noted_at", BigInteger, nullable=False),
    comment="a cosigner's sealed shares that may be in secrets; one that no share names is destroyed",
)

bans = Table(
    "bans",
    metadata,
    Column("member", Integer, nullable=False, comment="its index in the group"),
    Column("identity", LargeBinary(32), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    comment="cosigners with which this one never signs again",
)

ceremonies = Table(
    "ceremonies",
    metadata,
    Column("wallet", String(64), nullable=False),
    Column("version", Integer, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("started_at", BigInteger, nullable=False),
    PrimaryKeyConstraint("wallet", "version", "epoch"),
    comment="a coordinator's: what is under way among its cosigners",
)

instances = Table(
    "instances",
    metadata,
    Column("id", String(255), primary_key=True, comment="the boot and the nonce file of its processes"),
    Column("epoch", BigInteger, nullable=False, comment="one more with every instance that takes over"),
    Column("host", Text, nullable=False),
    Column("expires_at", BigInteger, nullable=False, comment="by the clock of the database"),
    Column("shares", Boolean, nullable=False, server_default=false(), comment="it bears others beside it"),
    Column("directory", String(32), comment="its data directory, where it shares"),
    comment="who may write, of a PostgreSQL database: one, or several that share",
)

directories = Table(
    "directories",
    metadata,
    Column("id", String(32), primary_key=True, comment="as in the file `database` of the data directory"),
    Column("host", Text, nullable=False),
    Column("added_at", BigInteger, nullable=False),
    comment="data directories whose instances share the database",
)

changes = Table(
    "changes",
    metadata,
    Column("kind", String(16), primary_key=True, comment="wallets, or clients"),
    Column("number", BigInteger, nullable=False, comment="one more with every change, where instances share"),
)

limit_cells = Table(
    "limit_cells",
    metadata,
    Column("cell", BigInteger, primary_key=True, autoincrement=False, comment="as in the file `shared`"),
    Column("moment", BigInteger, nullable=False, comment="when a bucket is full, in ns; when a window began, in ms"),
    Column("taken", BigInteger, nullable=False, comment="in that window"),
    comment="what clients have used of their limits, where instances share",
)

amounts = Table(
    "amounts",
    metadata,
    Column("meter", Integer, nullable=False),
    Column("period", BigInteger, nullable=False),
    Column("ends", Boolean, nullable=False, comment="the slot is of the end of what counts; else of its begin"),
    Column("slot", BigInteger, nullable=False, comment="milliseconds since 1970 by a sixtieth of the period"),
    Column("amount", BigInteger, nullable=False),
    PrimaryKeyConstraint("meter", "period", "ends", "slot"),
    comment="the meters, where instances share",
)

record_chunks = Table(
    "record_chunks",
    metadata,
    Column("directory", String(32), nullable=False),
    Column("file", String(255), nullable=False),
    Column("start", BigInteger, nullable=False, comment="of the file's bytes"),
    Column("content", LargeBinary, nullable=False),
    PrimaryKeyConstraint("directory", "file", "start"),
    comment="the files of the record, where the database has it too",
)

accepted_requests = Table(
    "accepted_requests",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True, comment="SHA-256 over key, time and id"),
    Column("until", BigInteger, nullable=False, comment="from then on its time is over"),
    Index("ix_accepted_requests_until", "until"),
    comment="signed requests that were accepted, where instances share",
)

used_approvals = Table(
    "used_approvals",
    metadata,
    Column("key", String(16), nullable=False, comment="fingerprint of the approver's key"),
    Column("id", String(32), nullable=False),
    Column("until", BigInteger, nullable=False, comment="from then on it counts no more"),
    PrimaryKeyConstraint("key", "id"),
    Index("ix_used_approvals_until", "until"),
    comment="approvals of actions, each of which permits one signature",
)

bearer_wallets = Table(
    "bearer_wallets",
    metadata,
    Column("wallet", String(64), primary_key=True),
    Column("allowed_at", BigInteger, nullable=False),
    comment="a cosigner's: wallets for which it signs without a client's signed request, in production",
)
