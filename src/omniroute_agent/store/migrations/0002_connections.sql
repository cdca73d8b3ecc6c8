-- Connections that were added by hand. What is secret in them is sealed; see store/connections.py.
CREATE TABLE connection (
    id TEXT PRIMARY KEY,
    version INTEGER NOT NULL,
    provider TEXT NOT NULL,
    base_url TEXT,
    sealed_key BLOB,
    models TEXT,
    default_model TEXT,
    tier TEXT,
    sealed_headers BLOB,
    proxy TEXT,
    sealed_proxy BLOB,
    expires_at REAL,
    created_at REAL NOT NULL,
    changed_at REAL NOT NULL,
    enabled INTEGER NOT NULL DEFAULT 1
) WITHOUT ROWID;

-- One number that rises with every change of the table above: what running processes look at.
CREATE TABLE connection_change (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    count INTEGER NOT NULL
);
INSERT INTO connection_change (id, count) VALUES (1, 0);
