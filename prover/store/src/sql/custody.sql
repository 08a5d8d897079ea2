CREATE TABLE IF NOT EXISTS tenants (
    address TEXT PRIMARY KEY,
    sealed_secret TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS openings (
    digest TEXT PRIMARY KEY,
    budget BIGINT NOT NULL,
    used BIGINT NOT NULL,
    ends BIGINT NOT NULL,
    reserved_to BIGINT NOT NULL
)
