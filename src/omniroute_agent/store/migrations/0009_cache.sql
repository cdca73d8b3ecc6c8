-- Answers kept to be given again.
CREATE TABLE cached_answer (
    caller TEXT NOT NULL,
    digest TEXT NOT NULL,
    request_id TEXT NOT NULL,
    asked TEXT NOT NULL,
    served_by TEXT,
    at REAL NOT NULL,
    keep_until REAL NOT NULL,
    used_at REAL NOT NULL,
    uses INTEGER NOT NULL DEFAULT 0,
    bytes INTEGER NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (caller, digest)
);
CREATE INDEX cached_answer_by_end ON cached_answer (keep_until);
-- Sums and the order in which entries go are read from the index alone.
CREATE INDEX cached_answer_by_use ON cached_answer (used_at, bytes);
