-- Budget handles: an amount that whoever holds a text may spend. The text is nowhere; what is kept is its digest.
-- Of each one: amount = spent + reserved + given + returned + what is left.
CREATE TABLE budget_handle (
    id TEXT PRIMARY KEY,
    parent TEXT,
    depth INTEGER NOT NULL,
    digest BLOB NOT NULL,
    label TEXT,
    minted_by TEXT NOT NULL,
    amount_nano INTEGER NOT NULL,
    spent_nano INTEGER NOT NULL DEFAULT 0,
    reserved_nano INTEGER NOT NULL DEFAULT 0,
    -- What its children hold of it: their amounts without what they gave back.
    given_nano INTEGER NOT NULL DEFAULT 0,
    -- What it gave back to its parent.
    returned_nano INTEGER NOT NULL DEFAULT 0,
    created_at REAL NOT NULL,
    expires_at REAL NOT NULL,
    revoked_at REAL,
    -- Since when nothing more comes out of it: it was revoked, or its end was noticed.
    closed_at REAL
) WITHOUT ROWID;
CREATE INDEX budget_handle_by_parent ON budget_handle (parent, closed_at, expires_at);
CREATE INDEX budget_handle_by_minter ON budget_handle (minted_by, closed_at);
CREATE INDEX budget_handle_by_end ON budget_handle (closed_at, expires_at);

-- What running attempts reserved of a handle.
CREATE TABLE handle_hold (
    attempt_id TEXT PRIMARY KEY REFERENCES intent (attempt_id),
    handle TEXT NOT NULL,
    amount_nano INTEGER NOT NULL
) WITHOUT ROWID;
