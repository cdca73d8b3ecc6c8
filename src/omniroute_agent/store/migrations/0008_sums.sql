-- Which attempt of its request an intent is, and whether it is the first of it there: what makes requests countable.
ALTER TABLE intent ADD COLUMN nth INTEGER NOT NULL DEFAULT 1;
ALTER TABLE intent ADD COLUMN new_provider INTEGER NOT NULL DEFAULT 1;
ALTER TABLE intent ADD COLUMN new_connection INTEGER NOT NULL DEFAULT 1;
ALTER TABLE intent ADD COLUMN new_model INTEGER NOT NULL DEFAULT 1;
CREATE INDEX intent_by_request ON intent (request_id, at);
CREATE INDEX intent_by_connection ON intent (connection, at);
CREATE INDEX intent_by_combo ON intent (combo, at) WHERE combo IS NOT NULL;

UPDATE intent SET nth = (
    SELECT COUNT(*) FROM intent e WHERE e.request_id = intent.request_id
    AND (e.at < intent.at OR (e.at = intent.at AND e.attempt_id <= intent.attempt_id))
);
UPDATE intent SET
    new_provider = NOT EXISTS (SELECT 1 FROM intent e WHERE e.request_id = intent.request_id AND e.nth < intent.nth
        AND e.provider = intent.provider),
    new_connection = NOT EXISTS (SELECT 1 FROM intent e WHERE e.request_id = intent.request_id AND e.nth < intent.nth
        AND e.connection = intent.connection),
    new_model = NOT EXISTS (SELECT 1 FROM intent e WHERE e.request_id = intent.request_id AND e.nth < intent.nth
        AND e.model = intent.model)
WHERE nth > 1;

-- What was settled, by the UTC hour, day and month its attempts began in: reports read these, and months stay for ever.
-- They take the place of spend_month, which is not written any more. No combo, no task and no fault are empty texts.
CREATE TABLE usage_sum (
    span TEXT NOT NULL,
    start INTEGER NOT NULL,
    caller TEXT NOT NULL,
    provider TEXT NOT NULL,
    connection TEXT NOT NULL,
    model TEXT NOT NULL,
    combo TEXT NOT NULL,
    task TEXT NOT NULL,
    fault TEXT NOT NULL,
    attempts INTEGER NOT NULL,
    answered INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    fallbacks INTEGER NOT NULL,
    provider_requests INTEGER NOT NULL,
    connection_requests INTEGER NOT NULL,
    model_requests INTEGER NOT NULL,
    input_tokens INTEGER NOT NULL,
    output_tokens INTEGER NOT NULL,
    cache_read_tokens INTEGER NOT NULL,
    cache_write_tokens INTEGER NOT NULL,
    reasoning_tokens INTEGER NOT NULL,
    cost_nano INTEGER NOT NULL,
    estimated_cost_nano INTEGER NOT NULL,
    unknown_cost_attempts INTEGER NOT NULL,
    PRIMARY KEY (span, start, caller, provider, connection, model, combo, task, fault)
) WITHOUT ROWID;

INSERT INTO usage_sum
SELECT b.span, b.start, i.caller, i.provider, i.connection, i.model, COALESCE(i.combo, ''), COALESCE(i.task, ''),
    COALESCE(s.fault, ''), COUNT(*), SUM(s.outcome = 'answered'), SUM(s.outcome IN ('failed', 'abandoned')),
    SUM(i.nth = 1), SUM(i.nth = 2), SUM(i.new_provider), SUM(i.new_connection), SUM(i.new_model),
    COALESCE(SUM(s.input_tokens), 0), COALESCE(SUM(s.output_tokens), 0), COALESCE(SUM(s.cache_read_tokens), 0),
    COALESCE(SUM(s.cache_write_tokens), 0), COALESCE(SUM(s.reasoning_tokens), 0), COALESCE(SUM(s.cost_nano), 0),
    COALESCE(SUM(CASE WHEN s.cost_state IN ('estimated', 'reserved') THEN s.cost_nano END), 0),
    SUM(s.cost_state = 'unknown')
FROM (
    SELECT attempt_id, 'hour' AS span, CAST(at / 3600 AS INTEGER) * 3600 AS start FROM intent WHERE settled = 1
    UNION ALL
    SELECT attempt_id, 'day', CAST(at / 86400 AS INTEGER) * 86400 FROM intent WHERE settled = 1
    UNION ALL
    SELECT attempt_id, 'month', CAST(strftime('%s', at, 'unixepoch', 'start of month') AS INTEGER) FROM intent
    WHERE settled = 1
) b
JOIN intent i ON i.attempt_id = b.attempt_id
JOIN settlement s ON s.attempt_id = b.attempt_id
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9;

-- Months whose single rows are gone already. Of their requests nothing is known any more: each attempt counts as one.
INSERT INTO usage_sum
SELECT 'month', CAST(strftime('%s', m.month || '-01') AS INTEGER), m.caller, m.provider, '', m.model, '', '', '',
    m.attempts - COALESCE(SUM(k.attempts), 0), 0, 0,
    m.attempts - COALESCE(SUM(k.attempts), 0), 0, m.attempts - COALESCE(SUM(k.attempts), 0),
    m.attempts - COALESCE(SUM(k.attempts), 0), m.attempts - COALESCE(SUM(k.attempts), 0),
    m.input_tokens - COALESCE(SUM(k.input_tokens), 0), m.output_tokens - COALESCE(SUM(k.output_tokens), 0), 0, 0, 0,
    m.cost_nano - COALESCE(SUM(k.cost_nano), 0), 0, m.unknown_cost_attempts - COALESCE(SUM(k.unknown_cost_attempts), 0)
FROM spend_month m LEFT JOIN usage_sum k ON k.span = 'month'
    AND k.start = CAST(strftime('%s', m.month || '-01') AS INTEGER)
    AND k.caller = m.caller AND k.provider = m.provider AND k.model = m.model
GROUP BY m.month, m.caller, m.provider, m.model
HAVING m.attempts > COALESCE(SUM(k.attempts), 0);

-- Before when single rows (`detail`), hours and days are gone, so that a report knows what it cannot see any more.
CREATE TABLE sum_horizon (
    kind TEXT PRIMARY KEY,
    before REAL NOT NULL
) WITHOUT ROWID;

-- The resilience profile that was set at run time; without a row the settings hold.
CREATE TABLE resilience (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    profile TEXT NOT NULL,
    set_at REAL NOT NULL,
    set_by TEXT NOT NULL
);
