"""The small model on this machine: what it is, how its file gets here, the one process that serves it."""
