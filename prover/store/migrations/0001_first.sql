CREATE TABLE server (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
CREATE TABLE nonces (
    signer TEXT NOT NULL,
    nonce TEXT NOT NULL,
    deadline BIGINT NOT NULL,
    PRIMARY KEY (signer, nonce)
);
CREATE INDEX nonces_by_deadline ON nonces (deadline);
CREATE TABLE tokens (
    hash TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    expires BIGINT NOT NULL
);
CREATE INDEX tokens_by_account ON tokens (account, expires);
CREATE TABLE uploads (
    owner TEXT NOT NULL,
    digest TEXT NOT NULL,
    artefact TEXT NOT NULL,
    bytes BIGINT NOT NULL,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (owner, digest)
);
CREATE TABLE jobs (
    id TEXT PRIMARY KEY,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    content TEXT NOT NULL,
    payload TEXT NOT NULL,
    state TEXT NOT NULL,
    priority BIGINT NOT NULL,
    weight_mb BIGINT NOT NULL,
    starts BIGINT NOT NULL,
    lost BIGINT NOT NULL,
    attempts BIGINT NOT NULL,
    max_attempts BIGINT NOT NULL,
    fence BIGINT NOT NULL,
    worker TEXT,
    lease_until BIGINT,
    deadline BIGINT,
    cancel BIGINT NOT NULL,
    phase TEXT NOT NULL,
    done BIGINT NOT NULL,
    total BIGINT NOT NULL,
    events BIGINT NOT NULL,
    problem TEXT,
    outcome TEXT,
    created_ms BIGINT NOT NULL,
    not_before_ms BIGINT NOT NULL,
    started_ms BIGINT NOT NULL,
    ended_ms BIGINT NOT NULL
);
CREATE UNIQUE INDEX jobs_by_content ON jobs (content) WHERE state IN ('queued', 'running', 'succeeded') AND cancel = 0;
CREATE TABLE job_grants (
    job TEXT NOT NULL,
    dataset TEXT NOT NULL,
    grantee TEXT NOT NULL,
    kind TEXT NOT NULL,
    root TEXT NOT NULL,
    serial BIGINT NOT NULL,
    PRIMARY KEY (job, dataset)
);
CREATE INDEX jobs_by_state ON jobs (state, priority, created_ms);
CREATE INDEX jobs_by_tenant ON jobs (tenant, created_ms, id);
CREATE TABLE job_events (
    job TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (job, sequence)
);
CREATE TABLE tenants (
    address TEXT PRIMARY KEY,
    sealed_secret TEXT NOT NULL
);
CREATE TABLE openings (
    digest TEXT PRIMARY KEY,
    budget BIGINT NOT NULL,
    used BIGINT NOT NULL,
    ends BIGINT NOT NULL,
    reserved_to BIGINT NOT NULL
);
CREATE TABLE allowances (
    dataset TEXT NOT NULL,
    account TEXT NOT NULL,
    openings BIGINT NOT NULL,
    PRIMARY KEY (dataset, account)
);
CREATE TABLE openings_by (
    digest TEXT NOT NULL,
    account TEXT NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (digest, account)
);
CREATE TABLE datasets (
    id TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    schema_id TEXT NOT NULL,
    body TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE INDEX datasets_by_owner ON datasets (owner, created_ms, id);
CREATE TABLE grants (
    dataset TEXT NOT NULL,
    grantee TEXT NOT NULL,
    uses BIGINT NOT NULL,
    expiry BIGINT NOT NULL,
    PRIMARY KEY (dataset, grantee)
);
CREATE TABLE chain_grants (
    root TEXT NOT NULL,
    grantee TEXT NOT NULL,
    serial BIGINT NOT NULL,
    uses BIGINT NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (root, grantee, serial)
);
CREATE TABLE agents (
    weights_digest TEXT PRIMARY KEY,
    owner TEXT NOT NULL,
    body TEXT NOT NULL,
    created_ms BIGINT NOT NULL
);
CREATE INDEX agents_by_owner ON agents (owner, created_ms, weights_digest);
CREATE TABLE agent_proofs (
    weights_digest TEXT NOT NULL,
    statement TEXT NOT NULL,
    slot BIGINT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (weights_digest, statement, slot)
);
CREATE TABLE circuits (
    shape TEXT PRIMARY KEY,
    circuit_id TEXT NOT NULL,
    body TEXT NOT NULL,
    gas BIGINT NOT NULL
);
CREATE INDEX circuits_by_id ON circuits (circuit_id);
CREATE TABLE sessions (
    id TEXT PRIMARY KEY,
    weights_digest TEXT NOT NULL,
    body TEXT NOT NULL,
    count BIGINT NOT NULL,
    transcript TEXT NOT NULL,
    voucher_count BIGINT NOT NULL,
    voucher TEXT,
    created_ms BIGINT NOT NULL
);
CREATE TABLE answers (
    session TEXT NOT NULL,
    position BIGINT NOT NULL,
    sealed_query TEXT NOT NULL,
    answer BIGINT NOT NULL,
    transcript TEXT NOT NULL,
    PRIMARY KEY (session, position)
);
