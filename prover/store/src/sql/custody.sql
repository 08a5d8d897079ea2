CREATE TABLE IF NOT EXISTS tenants (
    address TEXT PRIMARY KEY,
    sealed_secret TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS openings (
    digest TEXT PRIMARY KEY,
    used BIGINT NOT NULL,
    budget BIGINT NOT NULL,
    reserved BIGINT NOT NULL
)
