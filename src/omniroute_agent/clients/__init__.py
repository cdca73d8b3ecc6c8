"""MCP clients on this machine: where each keeps its servers, and how one entry goes in and out of such a file."""
