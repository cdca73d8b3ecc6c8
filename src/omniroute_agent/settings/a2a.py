"""The table of the A2A door."""

from typing import Annotated

from pydantic import Field

from omniroute_agent.settings.section import Section
from omniroute_agent.settings.values import AddressOrEmpty, PageOrigins, Switch, Whole


class A2aSettings(Section):
    enabled: Switch = Field(
        default=True, description="Let other agents find and ask this one: `serve` answers at /a2a."
    )
    public_url: AddressOrEmpty = Field(
        default="",
        description='Address under which other agents reach `serve`, like "https://gateway.example"; it stands on the '
        "agent card. Empty: the one that the card was asked for at.",
    )
    strict: Switch = Field(
        default=False,
        description="Leave what only clients of protocol 0.3 read off the agent card. They are answered all the same.",
    )
    lenient_version: Switch = Field(
        default=False,
        description="Take a call with a method name of protocol 1.0 as one, though it names no version.",
    )
    silent_minutes: Annotated[Whole, Field(ge=1, le=1440)] = Field(
        default=5, description="Minutes without any event after which a working task has failed."
    )
    retention_days: Annotated[Whole, Field(ge=1, le=36500)] = Field(
        default=30, description="How long a task is kept after it ended, or while it waits for an answer of its caller."
    )
    hook_origins: PageOrigins = Field(
        default=(),
        description="Origins off the public internet, or without TLS, that push notifications may go to all the same, "
        'like "http://127.0.0.1:9000".',
    )
    heartbeat_seconds: Annotated[Whole, Field(ge=1, le=60)] = Field(
        default=15, description="Longest silence on a stream before a comment is sent, so that no proxy cuts it."
    )
