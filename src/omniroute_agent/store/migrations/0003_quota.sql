-- What was told last of each quota window of a connection; the empty model stands for the connection as a whole.
CREATE TABLE quota_window (
    connection TEXT NOT NULL,
    model TEXT NOT NULL,
    win TEXT NOT NULL,
    unit TEXT NOT NULL,
    replenished INTEGER NOT NULL,
    quota_limit REAL,
    used REAL,
    remaining REAL,
    resets_at REAL,
    seconds REAL,
    source TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (connection, model, win)
);
CREATE INDEX quota_window_by_time ON quota_window (at);

-- What the calls of this house drew on a connection by UTC hour since 1970; the tokens of an open call at their worst case.
CREATE TABLE quota_count (
    connection TEXT NOT NULL,
    hour INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    tokens INTEGER NOT NULL,
    PRIMARY KEY (connection, hour)
);
CREATE INDEX quota_count_by_time ON quota_count (hour);
ALTER TABLE intent ADD COLUMN reserved_tokens INTEGER NOT NULL DEFAULT 0;
