"""What a tool is: one decorated function that carries everything a door needs to list, guard and run it."""
