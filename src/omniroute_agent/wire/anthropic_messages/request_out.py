"""A neutral chat as a Messages request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from pydantic import JsonValue

from omniroute_agent.kernel.chat import (
    Chat,
    Image,
    Message,
    Part,
    Reasoning,
    Rest,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
)
from omniroute_agent.wire.anthropic_messages.thinking import is_claude, manners_of, thinking_fields
from omniroute_agent.wire.anthropic_messages.words import ID, call_id
from omniroute_agent.wire.dialect import Quirks
from omniroute_agent.wire.errors import WireError
from omniroute_agent.wire.members import only_filled, with_rest
from omniroute_agent.wire.neutral import input_of, json_instruction
from omniroute_agent.wire.proof import own_proof

_NOTHING: Final[Rest] = {}


def write_request(chat: Chat, *, model: str, quirks: Quirks, stream: bool) -> dict[str, JsonValue]:
    """
    Raises:
        WireError: `max_tokens` is not set; the Messages API requires it.
    """
    return _Writer(own=chat.origin == ID, quirks=quirks).request(chat, model=model, stream=stream)


class _Writer:
    def __init__(self, *, own: bool, quirks: Quirks) -> None:
        self._own = own
        self._quirks = quirks

    def _rest(self, rest: Rest) -> Rest:
        return rest if self._own else _NOTHING

    def request(self, chat: Chat, *, model: str, stream: bool) -> dict[str, JsonValue]:
        if chat.max_tokens is None:
            raise WireError("The Messages API needs max_tokens, and none was set for this attempt.")
        system = self._system(chat)
        messages: list[JsonValue] = self._messages(chat.messages)
        if not messages and system:
            # A chat of system text only is a chat elsewhere; here somebody must have spoken.
            messages = [{"role": "user", "content": system}]
            system = []
        body = only_filled(
            model=model,
            max_tokens=chat.max_tokens,
            system=_shortest(system),
            messages=messages,
            stop_sequences=list(chat.stop) or None,
            tools=[self._tool(tool) for tool in chat.tools] or None,
            tool_choice=self._tool_choice(chat) if chat.tools else None,
            stream=stream or None,
        )
        rest = dict(self._rest(chat.rest))
        thinking = (
            thinking_fields(chat, model=model, max_tokens=chat.max_tokens) if self._quirks.reasoning_field else {}
        )
        body = with_rest(body, thinking)
        if chat.response_format is not None and chat.response_format.schema is not None and self._quirks.json_schema:
            schema = closed(dict(chat.response_format.schema))
            body = with_rest(body, {"output_config": {"format": {"type": "json_schema", "schema": schema}}})
        body |= self._sampling(chat, model, thinking=body.get("thinking"))
        if not manners_of(model).sampling:
            rest.pop("top_k", None)
        return with_rest(body, _without_thinking(rest))

    def _sampling(self, chat: Chat, model: str, *, thinking: JsonValue) -> dict[str, JsonValue]:
        """Temperature ends at 1 here, and Claude takes it or top_p; thinking and newer models refuse both."""
        thinks = isinstance(thinking, Mapping) and thinking.get("type") != "disabled"
        if thinks or not manners_of(model).sampling:
            return {}
        temperature = None if chat.temperature is None else min(chat.temperature, 1.0)
        top_p = None if temperature is not None and is_claude(model) else chat.top_p
        return only_filled(temperature=temperature, top_p=top_p)

    # ---- tools

    def _tool(self, tool: ToolSpec) -> JsonValue:
        body: dict[str, JsonValue] = {"name": tool.name}
        if tool.description:
            body["description"] = tool.description
        # The API insists on an object schema; tools without parameters come without a type elsewhere.
        body["input_schema"] = {"type": "object", **tool.schema}
        return with_rest(body, self._rest(tool.rest))

    def _tool_choice(self, chat: Chat) -> JsonValue:
        choice = chat.tool_choice
        if choice is None and chat.parallel_tool_calls is not False:
            return None
        body = self._choice(choice or ToolChoice("auto"))
        if chat.parallel_tool_calls is not None and body["type"] != "none":
            body["disable_parallel_tool_use"] = not chat.parallel_tool_calls
        return body

    def _choice(self, choice: ToolChoice) -> dict[str, JsonValue]:
        if choice.mode in ("auto", "none"):
            return {"type": choice.mode}
        if not self._quirks.forced_tool_choice:
            return {"type": "auto"}
        if choice.mode == "named":
            return {"type": "tool", "name": choice.name}
        return {"type": "any"}

    # ---- messages

    def _system(self, chat: Chat) -> list[JsonValue]:
        found = [message for message in chat.messages if message.role == "system"]
        wanted = chat.response_format
        if wanted is not None and (wanted.schema is None or not self._quirks.json_schema):
            found.append(json_instruction(wanted))
        return [block for message in found for block in self._blocks(message.parts)]

    def _messages(self, messages: Sequence[Message]) -> list[JsonValue]:
        """Turns alternate here, so neighbours of one role become one message, tool results first."""
        turns: list[_Turn] = []
        for message in messages:
            blocks = self._blocks(message.parts)
            if message.role == "system" or not blocks:
                continue
            if turns and turns[-1].role == message.role:
                turns[-1].blocks += blocks
                turns[-1].rest |= self._rest(message.rest)
            else:
                turns.append(_Turn(message.role, blocks, dict(self._rest(message.rest))))
        return [turn.written() for turn in turns]

    def _blocks(self, parts: Sequence[Part]) -> list[JsonValue]:
        return [block for part in parts if (block := self._block(part)) is not None]

    def _block(self, part: Part) -> JsonValue:
        block: dict[str, JsonValue]
        match part:
            case Text(text):
                if not text.strip():
                    return None  # the API refuses blank text
                block = {"type": "text", "text": text}
            case Image():
                block = {"type": "image", "source": _source(part)}
            case Reasoning(text, signature, redacted):
                if redacted is not None:
                    block = {"type": "redacted_thinking", "data": redacted}
                elif own := own_proof(ID, signature):
                    block = {"type": "thinking", "thinking": text, "signature": own}
                else:
                    return None  # thinking without this provider's proof is another provider's
            case ToolCall(foreign, name, arguments):
                block = {"type": "tool_use", "id": call_id(foreign), "name": name, "input": input_of(arguments)}
            case ToolResult():
                block = self._result(part)
        return with_rest(block, self._rest(part.rest))

    def _result(self, result: ToolResult) -> dict[str, JsonValue]:
        block: dict[str, JsonValue] = {"type": "tool_result", "tool_use_id": call_id(result.call_id)}
        if content := self._blocks(result.content):
            block["content"] = _shortest(content)
        if result.is_error:
            block["is_error"] = True
        return block


@dataclass(slots=True)
class _Turn:
    role: str
    blocks: list[JsonValue]
    rest: dict[str, JsonValue]

    def written(self) -> JsonValue:
        self.blocks.sort(key=lambda block: isinstance(block, dict) and block["type"] != "tool_result")
        return with_rest({"role": self.role, "content": _shortest(self.blocks)}, self.rest)


def _source(image: Image) -> JsonValue:
    if image.url is not None:
        return {"type": "url", "url": image.url}
    return {"type": "base64", "media_type": image.media_type, "data": image.data}


def _shortest(blocks: list[JsonValue]) -> JsonValue:
    """One bare text as a string, which is the same to the API; None for no blocks."""
    match blocks:
        case []:
            return None
        case [{"type": "text", "text": str(text), **more}] if not more:
            return text
        case _:
            return blocks


def _without_thinking(rest: Rest) -> Rest:
    """What of the caller's own fields `thinking_fields` has not decided upon already."""
    kept = {key: value for key, value in rest.items() if key != "thinking"}
    output = kept.get("output_config")
    if isinstance(output, Mapping):
        kept["output_config"] = {key: value for key, value in output.items() if key != "effort"}
        if not kept["output_config"]:
            del kept["output_config"]
    return kept


_NOT_SCHEMAS: Final = frozenset(("enum", "const", "default", "examples"))


def closed(schema: JsonValue) -> JsonValue:
    """The schema with `additionalProperties: false` on every object that leaves it open, as structured outputs demand.

    Whatever fits the closed schema fits the open one too.
    """
    if isinstance(schema, list):
        return [closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    found = {key: value if key in _NOT_SCHEMAS else closed(value) for key, value in schema.items()}
    if found.get("type") == "object" and "additionalProperties" not in found:
        found["additionalProperties"] = False
    return found
