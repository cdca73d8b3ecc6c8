"""What is kept, in SQLite: the ledger, decisions, health, combos, answers. All SQL of the agent lives here."""
