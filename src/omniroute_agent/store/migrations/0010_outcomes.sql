-- What became of requests, for the learner: one row per target that took part, and the faded sums it decides by.
CREATE TABLE outcome (
    request_id TEXT NOT NULL,
    target TEXT NOT NULL,
    caller TEXT NOT NULL,
    task TEXT NOT NULL,
    at REAL NOT NULL,
    first INTEGER NOT NULL,
    propensity REAL,
    answered INTEGER NOT NULL,
    quality REAL NOT NULL,
    signs TEXT NOT NULL,
    feedback REAL,
    cost_nano INTEGER,
    dearest_nano INTEGER,
    PRIMARY KEY (request_id, target)
);
CREATE INDEX outcome_by_time ON outcome (at);
CREATE TABLE outcome_arm (
    task TEXT NOT NULL,
    target TEXT NOT NULL,
    good REAL NOT NULL,
    bad REAL NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (task, target)
);
