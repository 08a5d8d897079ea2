-- Accounts take turns in the queue, each with its number of jobs there.
CREATE TABLE turns (
    tenant TEXT PRIMARY KEY,
    queued BIGINT NOT NULL,
    running BIGINT NOT NULL,
    turn BIGINT NOT NULL
);
CREATE INDEX turns_by_turn ON turns (turn);
CREATE INDEX turns_next ON turns (running, turn, tenant) WHERE queued > 0;
INSERT INTO turns (tenant, queued, running, turn)
    SELECT tenant, SUM(CASE WHEN state = 'queued' THEN 1 ELSE 0 END), SUM(CASE WHEN state = 'running' THEN 1 ELSE 0 END), 0
    FROM jobs GROUP BY tenant;
CREATE INDEX jobs_waiting ON jobs (tenant, priority DESC, created_ms, id) WHERE state = 'queued'
