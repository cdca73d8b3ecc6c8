-- What strategies remember from one request to the next.

-- Whose turn it is in a combo; the bag is a JSON list of targets.
CREATE TABLE combo_state (
    combo TEXT PRIMARY KEY,
    turns INTEGER NOT NULL,
    last_target TEXT,
    streak INTEGER NOT NULL,
    last_good TEXT,
    bag TEXT NOT NULL,
    touched_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX combo_state_by_time ON combo_state (touched_at);

-- Targets that `auto` took out of a combo for a while.
CREATE TABLE bench (
    combo TEXT NOT NULL,
    target TEXT NOT NULL,
    times INTEGER NOT NULL,
    since REAL NOT NULL,
    until REAL NOT NULL,
    score REAL NOT NULL,
    probe_at REAL,
    PRIMARY KEY (combo, target)
) WITHOUT ROWID;
CREATE INDEX bench_by_time ON bench (until);

-- Which target served a prompt's beginning last. Only a digest of the beginning is kept.
CREATE TABLE prompt_affinity (
    prefix TEXT PRIMARY KEY,
    target TEXT NOT NULL,
    served_at REAL NOT NULL,
    expires_at REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX prompt_affinity_by_end ON prompt_affinity (expires_at);
