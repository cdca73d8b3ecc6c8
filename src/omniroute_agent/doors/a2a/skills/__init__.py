"""What the agent can do: each skill translates a task onto the engine or onto a tool."""
