"""`connections test`: one cheap real call, and what was seen."""

import json
from dataclasses import dataclass
from typing import Any, Final

from omniroute_agent.app import House
from omniroute_agent.cli.failures import OTHER
from omniroute_agent.cli.house import DOOR, in_house, owner
from omniroute_agent.cli.page import out, print_json
from omniroute_agent.cli.start import Start
from omniroute_agent.cli.typed_keys import refuse_keys
from omniroute_agent.engine.decision import Decision
from omniroute_agent.engine.request import Request
from omniroute_agent.kernel.chat import Chat, Message, Text
from omniroute_agent.kernel.errors import DeadlineExceeded, InvalidRequest, NoRoute, UpstreamFailed, not_found
from omniroute_agent.kernel.money import usd
from omniroute_agent.providers.expiry import expiry_note

PROMPT: Final = "Reply with OK only."
MAX_TOKENS: Final = 64
"""Enough for a word from a model that thinks a little first, and a fraction of a cent anywhere."""
SECONDS: Final = 60.0
