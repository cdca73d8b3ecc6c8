"""The thin window: stdin and stdout of an editor, forwarded to the gateway that already runs. Standard library only."""
