-- Push notifications of the A2A door: whom to tell about a task, and how far he has been told. No queue beside it: what
-- is to be sent is the difference between the task's version and `told_version`. What is secret is sealed; see
-- doors/a2a/push/sealed.py.
CREATE TABLE a2a_push (
    owner TEXT NOT NULL,
    task_id TEXT NOT NULL,
    id TEXT NOT NULL,
    generation TEXT NOT NULL,
    protocol TEXT NOT NULL,
    url TEXT NOT NULL,
    host TEXT NOT NULL,
    scheme TEXT NOT NULL,
    sealed BLOB,
    created_at REAL NOT NULL,
    told_version INTEGER NOT NULL,
    finished INTEGER NOT NULL DEFAULT 0,
    due_at REAL NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    failing_since REAL,
    fault TEXT,
    given_up_at REAL,
    lease TEXT,
    leased_until REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (owner, task_id, id)
) WITHOUT ROWID;
-- What may still have to be told: few, however many tasks there were.
CREATE INDEX a2a_push_open ON a2a_push (due_at) WHERE finished = 0;
