-- Keys that callers come in with. A key itself is nowhere; what is kept is its digest.
CREATE TABLE caller_key (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    digest BLOB NOT NULL,
    scopes TEXT NOT NULL,
    view TEXT NOT NULL,
    created_at REAL NOT NULL,
    expires_at REAL,
    last_used_at REAL,
    revoked_at REAL
) WITHOUT ROWID;

-- One number that rises with every change of the table above but of `last_used_at`: what running servers look at.
CREATE TABLE caller_key_change (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    count INTEGER NOT NULL
);
INSERT INTO caller_key_change (id, count) VALUES (1, 0);
