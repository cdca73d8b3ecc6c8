-- Tasks of the A2A door. The columns are the truth about the status; the body (last, so that reading the others does
-- not pass through it) is the serialised task.
CREATE TABLE task (
    owner TEXT NOT NULL,
    id TEXT NOT NULL,
    context_id TEXT NOT NULL,
    skill TEXT NOT NULL,
    state TEXT NOT NULL,
    status_at REAL NOT NULL,
    note TEXT NOT NULL,
    version INTEGER NOT NULL,
    instance TEXT,
    cancel_asked_at REAL,
    created_at REAL NOT NULL,
    updated_at REAL NOT NULL,
    expires_at REAL,
    body BLOB NOT NULL,
    PRIMARY KEY (owner, id)
);
-- Lists are ordered and counted from these alone.
CREATE INDEX task_by_status ON task (owner, status_at DESC, id DESC, state);
CREATE INDEX task_by_context ON task (owner, context_id, status_at DESC, id DESC, state);
-- What is worked on now: few, however many tasks there were.
CREATE INDEX task_by_instance ON task (instance) WHERE instance IS NOT NULL;
CREATE INDEX task_by_end ON task (expires_at) WHERE expires_at IS NOT NULL;
CREATE INDEX task_without_end ON task (updated_at) WHERE expires_at IS NULL;

-- Pieces of an answer that is still being given; what ends the task puts them into its body.
CREATE TABLE task_chunk (
    owner TEXT NOT NULL,
    task_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (owner, task_id, number)
) WITHOUT ROWID;
