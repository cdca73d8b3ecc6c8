-- What was called, by whom, and which processes run.
CREATE TABLE tool_call (
    id INTEGER PRIMARY KEY,
    at REAL NOT NULL,
    instance TEXT NOT NULL,
    caller TEXT NOT NULL,
    session TEXT NOT NULL,
    door TEXT NOT NULL,
    tool TEXT NOT NULL,
    input_hash TEXT NOT NULL,
    outcome TEXT NOT NULL,
    duration_ms REAL NOT NULL,
    request_id TEXT,
    arguments TEXT
);
CREATE INDEX tool_call_by_time ON tool_call (at);
CREATE INDEX tool_call_by_caller ON tool_call (caller, at);

ALTER TABLE instance ADD COLUMN scopes TEXT;
ALTER TABLE instance ADD COLUMN address TEXT;
ALTER TABLE instance ADD COLUMN beat_at REAL;
