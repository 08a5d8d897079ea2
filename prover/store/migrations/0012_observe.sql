-- The trace that a job continues, as W3C `traceparent`, and what ended lately.
ALTER TABLE jobs ADD COLUMN trace TEXT;
CREATE INDEX jobs_by_end ON jobs (ended_ms) WHERE ended_ms > 0
