-- Models and prices beyond the bundled ones.
CREATE TABLE model_alias (
    pattern TEXT PRIMARY KEY,
    target TEXT NOT NULL,
    at REAL NOT NULL
);

-- Models that the owner added by hand, with what they said of them.
CREATE TABLE own_model (
    connection TEXT NOT NULL,
    model TEXT NOT NULL,
    document TEXT NOT NULL,
    at REAL NOT NULL,
    PRIMARY KEY (connection, model)
);

-- What a provider's own list of models says; a model that left it keeps its row for a while.
CREATE TABLE model_list (
    connection TEXT PRIMARY KEY,
    claimed_at REAL NOT NULL,
    read_at REAL,
    changed_at REAL,
    source TEXT,
    trouble TEXT
);
CREATE TABLE listed_model (
    connection TEXT NOT NULL,
    model TEXT NOT NULL,
    document TEXT NOT NULL,
    first_seen REAL NOT NULL,
    gone_at REAL,
    PRIMARY KEY (connection, model)
);
CREATE INDEX listed_model_gone ON listed_model (gone_at) WHERE gone_at IS NOT NULL;

-- Nano-dollars per million tokens, by `provider/model` or `connection/model`. The owner's own are never synced over.
CREATE TABLE own_price (
    name TEXT PRIMARY KEY,
    input_nano INTEGER NOT NULL,
    output_nano INTEGER NOT NULL,
    cache_read_nano INTEGER,
    cache_write_nano INTEGER,
    at REAL NOT NULL
);
CREATE TABLE synced_price (
    name TEXT PRIMARY KEY,
    input_nano INTEGER NOT NULL,
    output_nano INTEGER NOT NULL,
    cache_read_nano INTEGER,
    cache_write_nano INTEGER,
    input_bound_nano INTEGER
);
-- Where the synced prices come from; no row: there are none.
CREATE TABLE price_source (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    source TEXT NOT NULL,
    at REAL NOT NULL
);

-- One number that rises with every change of the tables above: what running processes look at.
CREATE TABLE model_change (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    count INTEGER NOT NULL
);
INSERT INTO model_change (id, count) VALUES (1, 0);
