-- Workers that have been heard of lately. Each writes its row every few seconds, also while it has no job. It is presumed lost
-- when it has been silent for `patience_ms`. `unfit` says why it runs no jobs, and is empty if it does.
CREATE TABLE workers (
    worker TEXT PRIMARY KEY,
    slots BIGINT NOT NULL,
    patience_ms BIGINT NOT NULL,
    started_ms BIGINT NOT NULL,
    seen_ms BIGINT NOT NULL,
    unfit TEXT NOT NULL
)
