-- Notes that jobs keep for later runs, such as of finished proofs. They go with their job.
CREATE TABLE job_notes (
    job TEXT NOT NULL,
    name TEXT NOT NULL,
    note TEXT NOT NULL,
    PRIMARY KEY (job, name)
);
CREATE INDEX job_notes_by_name ON job_notes (name);
-- Whether a job was submitted, and not only made as a part of another: then it does not end with that one.
ALTER TABLE jobs ADD COLUMN submitted BIGINT NOT NULL DEFAULT 1
