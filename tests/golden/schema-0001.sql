BEGIN TRANSACTION;
CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num));
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE caller_nonces (
	address VARCHAR(42) NOT NULL, 
	nonce BIGINT NOT NULL, 
	CONSTRAINT pk_caller_nonces PRIMARY KEY (address, nonce)
);
CREATE TABLE clients (
	id VARCHAR(32) NOT NULL, 
	name VARCHAR(64) NOT NULL, 
	role VARCHAR(16) NOT NULL, 
	key_prefix VARCHAR(16) NOT NULL, 
	key_sha256 BLOB NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_clients PRIMARY KEY (id), 
	CONSTRAINT uq_clients_name UNIQUE (name), 
	CONSTRAINT uq_clients_key_prefix UNIQUE (key_prefix)
);
INSERT INTO "clients" VALUES('abababababababababababababababab','administrator','administrator','hk_0a1b2c3d',X'0909090909090909090909090909090909090909090909090909090909090909',1780000000000);
CREATE TABLE facts (
	name VARCHAR(64) NOT NULL, 
	value TEXT NOT NULL, 
	CONSTRAINT pk_facts PRIMARY KEY (name)
);
CREATE TABLE key_versions (
	wallet VARCHAR(64) NOT NULL, 
	number INTEGER NOT NULL, 
	state VARCHAR(16) NOT NULL, 
	public_key BLOB NOT NULL, 
	origin VARCHAR(16) NOT NULL, 
	created_at BIGINT NOT NULL, 
	CONSTRAINT pk_key_versions PRIMARY KEY (wallet, number), 
	CONSTRAINT fk_key_versions_wallet FOREIGN KEY(wallet) REFERENCES wallets (id)
);
INSERT INTO "key_versions" VALUES('old',1,'active',X'0707070707070707070707070707070707070707070707070707070707070707','generated',1780000000000);
CREATE TABLE sealed_keys (
	wallet VARCHAR(64) NOT NULL, 
	version INTEGER NOT NULL, 
	sealed BLOB NOT NULL, 
	CONSTRAINT pk_sealed_keys PRIMARY KEY (wallet, version)
);
CREATE TABLE signers (
	counter INTEGER NOT NULL, 
	address VARCHAR(42) NOT NULL, 
	ceiling BIGINT NOT NULL, 
	forgotten BIGINT NOT NULL, 
	CONSTRAINT pk_signers PRIMARY KEY (counter), 
	CONSTRAINT uq_signers_address UNIQUE (address)
);
CREATE TABLE wallets (
	id VARCHAR(64) NOT NULL, 
	key_type VARCHAR(16) NOT NULL, 
	network VARCHAR(16), 
	current_version INTEGER NOT NULL, 
	created_at BIGINT NOT NULL, 
	metadata TEXT NOT NULL, 
	CONSTRAINT pk_wallets PRIMARY KEY (id)
);
INSERT INTO "wallets" VALUES('old','ed25519',NULL,1,1780000000000,'{}');
COMMIT;
