"""An agent-protocol server that lets any agent use every language model its owner may use."""

__version__ = "0.1.0"
