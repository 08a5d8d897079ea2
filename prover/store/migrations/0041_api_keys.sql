-- Keys of accounts, for programs that only read.
CREATE TABLE api_keys (
    hash TEXT PRIMARY KEY,
    account TEXT NOT NULL,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    created BIGINT NOT NULL,
    expires BIGINT NOT NULL,
    UNIQUE (account, name)
)
