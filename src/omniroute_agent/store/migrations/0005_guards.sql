-- Guards that were set at run time; the others are defined in the settings.
CREATE TABLE guard (
    name TEXT PRIMARY KEY,
    limit_nano INTEGER NOT NULL,
    period TEXT NOT NULL,
    action TEXT NOT NULL,
    tier TEXT,
    caller TEXT,
    session TEXT,
    combo TEXT,
    enabled INTEGER NOT NULL DEFAULT 1,
    created_at REAL NOT NULL,
    created_by TEXT NOT NULL
);

-- What the owner was asked, and what came of it. Codes are kept as hashes.
CREATE TABLE consent (
    code TEXT PRIMARY KEY,
    code_start TEXT NOT NULL,
    caller TEXT NOT NULL,
    action TEXT NOT NULL,
    digest TEXT NOT NULL,
    question TEXT NOT NULL,
    asked_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    state TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX consent_by_question ON consent (caller, action, digest);
CREATE INDEX consent_by_end ON consent (expires_at);
