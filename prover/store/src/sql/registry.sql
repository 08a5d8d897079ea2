CREATE TABLE IF NOT EXISTS datasets (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    schema_id TEXT NOT NULL,
    body TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS datasets_by_owner ON datasets (owner, created_ms, id);
CREATE TABLE IF NOT EXISTS grants (
    dataset TEXT NOT NULL,
    grantee TEXT NOT NULL,
    uses BIGINT NOT NULL,
    expiry BIGINT NOT NULL,
    PRIMARY KEY (dataset, grantee)
);
CREATE TABLE IF NOT EXISTS agents (
    weights_digest TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    body TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS agents_by_owner ON agents (owner, created_ms, weights_digest);
CREATE TABLE IF NOT EXISTS agent_proofs (
    weights_digest TEXT NOT NULL,
    statement TEXT NOT NULL,
    slot BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (weights_digest, statement, slot)
);
CREATE TABLE IF NOT EXISTS circuits (
    shape TEXT PRIMARY KEY,
    circuit_id TEXT NOT NULL,
    body TEXT NOT NULL,
    gas BIGINT NOT NULL
);
CREATE INDEX IF NOT EXISTS circuits_by_id ON circuits (circuit_id)
