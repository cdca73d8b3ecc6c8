"""What a connection costs its owner, as a word."""

from typing import Literal

Tier = Literal["subscription", "key", "cheap", "free"]
"""subscription: paid anyway. key: by the token. cheap: by the token, little. free: nothing."""
