-- Requests that owners sent to this node, one row for each participant here. State: asked, approved, declined.
CREATE TABLE requests (
    id TEXT NOT NULL,
    account TEXT NOT NULL,
    owner TEXT NOT NULL,
    body TEXT NOT NULL,
    state TEXT NOT NULL,
    reason TEXT NOT NULL,
    sealed_keys TEXT,
    -- of a request for ranges, until it is answered
    sealed_numbers TEXT,
    -- of a training, in basis points
    least_share BIGINT NOT NULL DEFAULT 0,
    consent TEXT,
    proofs TEXT,
    created_ms BIGINT NOT NULL,
    PRIMARY KEY (id, account)
);
CREATE INDEX requests_by_account ON requests (account, created_ms, id);
-- The one answer to each round. The body is sealed, and so are the factors, which only some rounds have.
CREATE TABLE rounds (
    request TEXT NOT NULL,
    account TEXT NOT NULL,
    round BIGINT NOT NULL,
    body TEXT NOT NULL,
    factors TEXT NOT NULL,
    PRIMARY KEY (request, account, round)
);
-- Openings of somebody's weights that this node may use, and has used.
CREATE TABLE allotments (
    request TEXT NOT NULL,
    account TEXT NOT NULL,
    digest TEXT NOT NULL,
    openings BIGINT NOT NULL,
    used BIGINT NOT NULL,
    PRIMARY KEY (request, account)
);
-- Openings of own weights given to nodes: counted once for each participant, before the node learns of them.
CREATE TABLE allotted (
    request TEXT NOT NULL,
    account TEXT NOT NULL,
    digest TEXT NOT NULL,
    openings BIGINT NOT NULL,
    PRIMARY KEY (request, account)
);
