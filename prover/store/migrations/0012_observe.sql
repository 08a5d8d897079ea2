-- The trace that a job continues, as W3C `traceparent`, and indexes for what ended lately, waits longest, or has a deadline.
ALTER TABLE jobs ADD COLUMN trace TEXT;
CREATE INDEX jobs_by_end ON jobs (ended_ms) WHERE ended_ms > 0;
CREATE INDEX jobs_by_age ON jobs (tenant, created_ms) WHERE state = 'queued';
CREATE INDEX jobs_by_deadline ON jobs (deadline) WHERE deadline > 0 AND state IN ('queued', 'running')
