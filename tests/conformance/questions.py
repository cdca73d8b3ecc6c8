"""The suite's tools that ask the client something: with requests of their own in the handshake era, with
input-required results since 2026-07-28.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from mcp.server.context import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    ElicitRequestedSchema,
    SamplingMessage,
    TextContent,
)
from pydantic import BaseModel

Context = ServerRequestContext[Any, Any]
Wire = dict[str, Any]

TAMPER_PROOF: Final = "state-minted-here"


def form(message: str, **properties: str) -> Wire:
    """An elicitation; every property is required."""
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in properties.items()},
        "required": list(properties),
    }
    return {"method": "elicitation/create", "params": {"message": message, "requestedSchema": schema}}


def sampling(words: str, most: int) -> Wire:
    message = {"role": "user", "content": {"type": "text", "text": words}}
    return {"method": "sampling/createMessage", "params": {"messages": [message], "maxTokens": most}}


_ROOTS: Final[Wire] = {"method": "roots/list", "params": {}}
_CAPABILITY: Final = {
    "elicitation/create": "elicitation",
    "sampling/createMessage": "sampling",
    "roots/list": "roots",
}


@dataclass(frozen=True)
class Question:
    """What one tool asks, round by round, and the state that goes along; none: no state."""

    rounds: tuple[Mapping[str, Wire], ...]
    states: tuple[str, ...] = field(default=())
    done: str = "complete"

    def wire(self, number: int = 0, only: frozenset[str] | None = None) -> Wire:
        requests = {
            key: request
            for key, request in self.rounds[number].items()
            if only is None or _CAPABILITY[request["method"]] in only
        }
        state = {"requestState": self.states[number]} if self.states else {}
        return {"resultType": "input_required", "inputRequests": requests, **state}


_NAME: Final = {"user_name": form("What is your name?", name="string")}

QUESTIONS: Final[Mapping[str, Question]] = {
    "test_input_required_result_elicitation": Question((_NAME,)),
    "test_input_required_result_sampling": Question(
        ({"capital_question": sampling("What is the capital of France?", 100)},)
    ),
    "test_input_required_result_list_roots": Question(({"client_roots": _ROOTS},)),
    "test_input_required_result_request_state": Question(
        ({"confirm": form("Please confirm", ok="boolean")},), (TAMPER_PROOF,), done="state-ok"
    ),
    "test_input_required_result_tampered_state": Question(
        ({"confirm": form("Please confirm", ok="boolean")},), (TAMPER_PROOF,)
    ),
    "test_input_required_result_multiple_inputs": Question(
        ({**_NAME, "greeting": sampling("Generate a greeting", 50), "client_roots": _ROOTS},), (TAMPER_PROOF,)
    ),
    "test_input_required_result_multi_round": Question(
        (
            {"step1": form("Step 1: What is your name?", name="string")},
            {"step2": form("Step 2: What is your favorite color?", color="string")},
        ),
        ("round-1", "round-2"),
    ),
    "test_input_required_result_capabilities": Question(({**_NAME, "greeting": sampling("Generate a greeting", 50)},)),
    "test_input_required_result_prompt": Question(
        ({"user_context": form("What context should the prompt use?", context="string")},)
    ),
    "test_streaming_elicitation": Question((_NAME,)),
    "test_missing_capability": Question(()),
    "test_sampling": Question(()),
    "test_elicitation": Question(()),
    "test_elicitation_sep1034_defaults": Question(()),
    "test_elicitation_sep1330_enums": Question(()),
}


def answered(responses: Mapping[str, Any] | None, key: str) -> Wire | None:
    """The client's answer to one question; None where there is no usable one."""
    given = (responses or {}).get(key)
    value = given.model_dump(mode="json", by_alias=True, exclude_none=True) if isinstance(given, BaseModel) else given
    if not isinstance(value, dict):
        return None
    usable = ("content", "roots", "role")
    return value if any(name in value for name in usable) else None


async def ask(
    name: str, ctx: Context, arguments: Mapping[str, Any], responses: Mapping[str, Any] | None, state: str | None
) -> Wire:
    if name == "test_missing_capability":
        raise MCPError(
            code=MISSING_REQUIRED_CLIENT_CAPABILITY,
            message="This tool needs sampling.",
            data={"requiredCapabilities": {"sampling": {}}},
        )
    question = QUESTIONS[name]
    if not question.rounds:
        return _told(await _directly(name, ctx, arguments))
    number = question.states.index(state) if state in question.states else 0
    if responses is not None and all(answered(responses, key) for key in question.rounds[number]):
        if question.states and state not in question.states:
            raise MCPError(code=INVALID_PARAMS, message="The state of this request is missing.")
        if number + 1 == len(question.rounds):
            return _told(f"{question.done}: {json.dumps(_all(question, number, responses), sort_keys=True)}")
        return question.wire(number + 1)
    declared = ctx.session.client_capabilities
    only = frozenset(declared.model_dump(exclude_none=True)) if declared else frozenset[str]()
    return question.wire(number, only if name.endswith("_capabilities") else None)


def _all(question: Question, number: int, responses: Mapping[str, Any]) -> Wire:
    return {key: answered(responses, key) for key in question.rounds[number]}


def _told(words: str) -> Wire:
    return {"content": [{"type": "text", "text": words}], "isError": False, "resultType": "complete"}


async def _directly(name: str, ctx: Context, arguments: Mapping[str, Any]) -> str:
    """In the handshake era the server sends a request of its own and waits."""
    session, request = ctx.session, ctx.request_id
    if name == "test_sampling":
        said = SamplingMessage(role="user", content=TextContent(type="text", text=arguments["prompt"]))
        answer = await session.create_message([said], max_tokens=100, related_request_id=request)
        return f"LLM response: {answer.content.text if isinstance(answer.content, TextContent) else answer.content}"
    if name == "test_elicitation":
        user: ElicitRequestedSchema = {
            "type": "object",
            "properties": {
                "username": {"type": "string", "description": "User's response"},
                "email": {"type": "string", "description": "User's email address"},
            },
            "required": ["username", "email"],
        }
        got = await session.elicit_form(arguments["message"], user, related_request_id=request)
        return f"User response: action={got.action}, content={json.dumps(got.content)}"
    schema = _DEFAULTS if name == "test_elicitation_sep1034_defaults" else _ENUMS
    got = await session.elicit_form("Please fill this in", schema, related_request_id=request)
    return f"Elicitation completed: action={got.action}, content={json.dumps(got.content)}"


_DEFAULTS: Final[ElicitRequestedSchema] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    },
}
_OPTIONS: Final = ["option1", "option2", "option3"]
_TITLED: Final = [{"const": f"value{n}", "title": f"{word} Option"} for n, word in enumerate(("First", "Second"), 1)]
_ENUMS: Final[ElicitRequestedSchema] = {
    "type": "object",
    "properties": {
        "untitledSingle": {"type": "string", "enum": _OPTIONS},
        "titledSingle": {"type": "string", "oneOf": _TITLED},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": _OPTIONS}},
        "titledMulti": {"type": "array", "items": {"anyOf": _TITLED}},
    },
}
