-- Combos made or changed at run time. What is NULL stands as the settings file, or the built-in combo, has it.
ALTER TABLE combo ADD COLUMN targets TEXT;
ALTER TABLE combo ADD COLUMN strategy TEXT;
ALTER TABLE combo ADD COLUMN options TEXT;
ALTER TABLE combo ADD COLUMN tier TEXT;
ALTER TABLE combo ADD COLUMN template TEXT;
ALTER TABLE combo ADD COLUMN changed_at REAL;

-- One number that rises with every change of that table: what running processes look at.
CREATE TABLE combo_change (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    count INTEGER NOT NULL
);
INSERT INTO combo_change (id, count) VALUES (1, 0);
