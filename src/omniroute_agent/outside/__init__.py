"""The real outside world behind `kernel.ports`: clocks, dice, ids, and one guarded way out over HTTP."""
