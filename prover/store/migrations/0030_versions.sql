-- Versions of a dataset: the first one, and the one that each extends, which no two extend. Openings are lent by the first
-- version's id, which `allowances` calls `dataset`.
ALTER TABLE datasets ADD COLUMN root TEXT NOT NULL DEFAULT '';
ALTER TABLE datasets ADD COLUMN previous TEXT NOT NULL DEFAULT '';
ALTER TABLE datasets ADD COLUMN records BIGINT NOT NULL DEFAULT 0;
ALTER TABLE datasets ADD COLUMN shards BIGINT NOT NULL DEFAULT 0;
UPDATE datasets SET root = id;
CREATE INDEX datasets_by_root ON datasets (root, shards);
CREATE UNIQUE INDEX datasets_by_previous ON datasets (previous) WHERE previous <> '' AND forgotten = 0;
ALTER TABLE job_grants ADD COLUMN lent TEXT NOT NULL DEFAULT ''
