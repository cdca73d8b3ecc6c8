CREATE TABLE instance (
    id TEXT PRIMARY KEY,
    pid INTEGER NOT NULL,
    door TEXT NOT NULL,
    version TEXT NOT NULL,
    started_at REAL NOT NULL
);

CREATE TABLE intent (
    attempt_id TEXT PRIMARY KEY,
    instance TEXT NOT NULL,
    request_id TEXT NOT NULL,
    caller TEXT NOT NULL,
    session TEXT NOT NULL,
    door TEXT NOT NULL,
    at REAL NOT NULL,
    connection TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    combo TEXT,
    task TEXT,
    reserved_nano INTEGER NOT NULL,
    price_source TEXT,
    settled INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX intent_by_time ON intent (at);
CREATE INDEX intent_by_session ON intent (caller, session, at);
CREATE INDEX intent_open ON intent (at) WHERE settled = 0;

CREATE TABLE settlement (
    attempt_id TEXT PRIMARY KEY REFERENCES intent (attempt_id),
    at REAL NOT NULL,
    outcome TEXT NOT NULL,
    fault TEXT,
    input_tokens INTEGER,
    output_tokens INTEGER,
    cache_read_tokens INTEGER,
    cache_write_tokens INTEGER,
    reasoning_tokens INTEGER,
    usage_estimated INTEGER NOT NULL DEFAULT 0,
    cost_nano INTEGER,
    cost_state TEXT NOT NULL,
    latency_ms INTEGER NOT NULL,
    first_token_ms INTEGER
) WITHOUT ROWID;
-- How long answers usually are, read from the index alone.
CREATE INDEX settlement_by_outcome ON settlement (outcome, at, output_tokens);

-- A guard's window: what is spent and what is reserved in it.
CREATE TABLE guard_window (
    guard TEXT NOT NULL,
    win TEXT NOT NULL,
    spent_nano INTEGER NOT NULL,
    reserved_nano INTEGER NOT NULL,
    resets_at REAL,
    touched_at REAL NOT NULL,
    PRIMARY KEY (guard, win)
) WITHOUT ROWID;
CREATE INDEX guard_window_by_time ON guard_window (touched_at);

CREATE TABLE hold (
    attempt_id TEXT NOT NULL REFERENCES intent (attempt_id),
    guard TEXT NOT NULL,
    win TEXT NOT NULL,
    amount_nano INTEGER NOT NULL,
    PRIMARY KEY (attempt_id, guard, win)
) WITHOUT ROWID;

-- Sums that survive the detail.
CREATE TABLE spend_month (
    month TEXT NOT NULL,
    caller TEXT NOT NULL,
    provider TEXT NOT NULL,
    model TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cost_nano INTEGER NOT NULL,
    unknown_cost_attempts INTEGER NOT NULL,
    PRIMARY KEY (month, caller, provider, model)
) WITHOUT ROWID;

CREATE TABLE connection_health (
    connection TEXT PRIMARY KEY,
    document TEXT NOT NULL
);

CREATE TABLE model_lock (
    connection TEXT NOT NULL,
    model TEXT NOT NULL,
    document TEXT NOT NULL,
    PRIMARY KEY (connection, model)
);

CREATE TABLE decision (
    request_id TEXT PRIMARY KEY,
    instance TEXT NOT NULL,
    caller TEXT NOT NULL,
    session TEXT NOT NULL,
    door TEXT NOT NULL,
    at REAL NOT NULL,
    state TEXT NOT NULL,
    document TEXT NOT NULL
);
CREATE INDEX decision_by_caller ON decision (caller, at);
CREATE INDEX decision_by_session ON decision (caller, session, at);
CREATE INDEX decision_by_time ON decision (at);
CREATE INDEX decision_running ON decision (instance) WHERE state = 'running';

CREATE TABLE answer (
    caller TEXT NOT NULL,
    idempotency_key TEXT NOT NULL,
    instance TEXT NOT NULL,
    fingerprint TEXT NOT NULL,
    request_id TEXT NOT NULL,
    at REAL NOT NULL,
    keep_until REAL NOT NULL,
    document TEXT,
    PRIMARY KEY (caller, idempotency_key)
);
CREATE INDEX answer_by_end ON answer (keep_until);
CREATE INDEX answer_running ON answer (instance) WHERE document IS NULL;

-- What the owner switched at run time; the definitions are in the settings file.
CREATE TABLE combo (
    name TEXT PRIMARY KEY,
    enabled INTEGER,
    is_default INTEGER NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX combo_default ON combo (is_default) WHERE is_default = 1;

-- One row that a health check writes and reads back.
CREATE TABLE pulse (
    id INTEGER PRIMARY KEY,
    beat INTEGER NOT NULL
);
