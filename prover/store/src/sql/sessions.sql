CREATE TABLE IF NOT EXISTS sessions (
    id TEXT PRIMARY KEY,
    weights_digest TEXT NOT NULL,
    body TEXT NOT NULL,
    count BIGINT NOT NULL,
    transcript TEXT NOT NULL,
    voucher_count BIGINT NOT NULL,
    voucher TEXT,
    created_ms BIGINT NOT NULL
);
CREATE TABLE IF NOT EXISTS answers (
    session TEXT NOT NULL,
    position BIGINT NOT NULL,
    sealed_query TEXT NOT NULL,
    answer BIGINT NOT NULL,
    transcript TEXT NOT NULL,
    PRIMARY KEY (session, position)
)
