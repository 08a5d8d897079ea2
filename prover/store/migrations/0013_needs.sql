-- Jobs that wait for other jobs: how many of those have not succeeded yet, and which they are.
ALTER TABLE jobs ADD COLUMN waits BIGINT NOT NULL DEFAULT 0;
CREATE TABLE job_needs (
    job TEXT NOT NULL,
    position BIGINT NOT NULL,
    needs TEXT NOT NULL,
    PRIMARY KEY (job, position)
);
CREATE INDEX job_needs_by_needed ON job_needs (needs)
