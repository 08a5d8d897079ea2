CREATE TABLE IF NOT EXISTS server (
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS nonces (
    signer TEXT NOT NULL,
    nonce TEXT NOT NULL,
    deadline BIGINT NOT NULL,
    PRIMARY KEY (signer, nonce)
);
CREATE TABLE IF NOT EXISTS jobs (
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
CREATE UNIQUE INDEX IF NOT EXISTS jobs_by_content ON jobs (content) WHERE state IN ('queued', 'running', 'succeeded');
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, priority, created_ms);
CREATE INDEX IF NOT EXISTS jobs_by_tenant ON jobs (tenant, created_ms, id);
CREATE TABLE IF NOT EXISTS job_events (
    job TEXT NOT NULL,
    sequence BIGINT NOT NULL,
    at_ms BIGINT NOT NULL,
    event TEXT NOT NULL,
    PRIMARY KEY (job, sequence)
)
