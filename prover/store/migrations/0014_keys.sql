-- Keys under which work was submitted, and datasets whose records are deleted.
CREATE TABLE job_keys (
    tenant TEXT NOT NULL,
    name TEXT NOT NULL,
    content TEXT NOT NULL,
    job TEXT NOT NULL,
    PRIMARY KEY (tenant, name)
);
CREATE INDEX job_keys_by_job ON job_keys (job);
ALTER TABLE datasets ADD COLUMN forgotten BIGINT NOT NULL DEFAULT 0
