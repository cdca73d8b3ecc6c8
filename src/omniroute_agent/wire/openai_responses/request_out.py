"""A neutral chat as a Responses request."""

from collections.abc import Iterable, Sequence
from typing import Final

from pydantic import JsonValue

from omniroute_agent.kernel.chat import (
    Chat,
    Image,
    Message,
    Part,
    Reasoning,
    ResponseFormat,
    Rest,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
)
from omniroute_agent.wire.dialect import Quirks
from omniroute_agent.wire.members import only_filled, with_rest
from omniroute_agent.wire.neutral import json_instruction, url_of_image
from omniroute_agent.wire.openai_responses.words import ID, item_of_reasoning

_NOTHING: Final[Rest] = {}


def write_request(chat: Chat, *, model: str, quirks: Quirks, stream: bool) -> dict[str, JsonValue]:
    return _Writer(own=chat.origin == ID, quirks=quirks).request(chat, model=model, stream=stream)


class _Writer:
    def __init__(self, *, own: bool, quirks: Quirks) -> None:
        self._own = own
        self._quirks = quirks

    def _rest(self, rest: Rest) -> Rest:
        return rest if self._own else _NOTHING

    def request(self, chat: Chat, *, model: str, stream: bool) -> dict[str, JsonValue]:
        quirks = self._quirks
        instructions, messages = self._instructions(chat.messages)
        wanted = chat.response_format
        if wanted is not None and wanted.schema is not None and not quirks.json_schema:
            messages = (json_instruction(wanted), *messages)
        body = only_filled(
            model=model,
            instructions=instructions,
            input=[item for message in messages for item in self._items(message)],
            max_output_tokens=chat.max_tokens,
            temperature=chat.temperature,
            top_p=chat.top_p,
            stream=stream or None,
        )
        if wanted is not None:
            body["text"] = {"format": self._format(wanted)}
        if chat.tools:
            body |= self._tools(chat)
        effort = chat.reasoning_effort if quirks.reasoning_field else None
        if effort is not None:
            body["reasoning"] = {"effort": effort}
        rest = dict(self._rest(chat.rest))
        if not quirks.reasoning_field:
            rest.pop("reasoning", None)
        if not stream:
            rest.pop("stream_options", None)
        if effort not in (None, "none") and "include" not in rest:
            # Newer servers give it unasked; the others only so, and only for models that reason.
            body["include"] = ["reasoning.encrypted_content"]
        return with_rest(with_rest(body, rest), {"store": False})

    def _instructions(self, messages: tuple[Message, ...]) -> tuple[str | None, tuple[Message, ...]]:
        """The leading system message as instructions, unless nothing else is left to be the input."""
        first, *others = messages or (Message("user", ()),)
        plain = first.role == "system" and not self._rest(first.rest)
        if not plain or not others or any(self._rest(part.rest) for part in first.parts):
            return None, messages
        return "\n\n".join(part.text for part in first.parts if isinstance(part, Text)), tuple(others)

    def _format(self, wanted: ResponseFormat) -> JsonValue:
        if wanted.schema is None or not self._quirks.json_schema:
            return {"type": "json_object"}
        return {
            "type": "json_schema",
            "name": wanted.name,
            "strict": wanted.strict,
            "schema": dict(wanted.schema),
        }

    # ---- tools: the choice and the parallel flag are refused where there are no tools to choose from

    def _tools(self, chat: Chat) -> dict[str, JsonValue]:
        body: dict[str, JsonValue] = {"tools": [self._tool(tool) for tool in chat.tools]}
        if chat.tool_choice is not None:
            body["tool_choice"] = self._tool_choice(chat.tool_choice)
        if chat.parallel_tool_calls is not None and self._quirks.parallel_tool_calls_field:
            body["parallel_tool_calls"] = chat.parallel_tool_calls
        return body

    def _tool(self, tool: ToolSpec) -> JsonValue:
        body: dict[str, JsonValue] = {"type": "function", "name": tool.name}
        if tool.description:
            body["description"] = tool.description
        body["parameters"] = dict(tool.schema)
        if not self._own:
            # Strict is the default here and nowhere else.
            body["strict"] = False
        return with_rest(body, self._rest(tool.rest))

    def _tool_choice(self, choice: ToolChoice) -> JsonValue:
        if choice.mode in ("auto", "none"):
            return choice.mode
        if not self._quirks.forced_tool_choice:
            return "auto"
        if choice.mode == "named" and choice.name is not None:
            return {"type": "function", "name": choice.name}
        return "required"

    # ---- items

    def _items(self, message: Message) -> Iterable[JsonValue]:
        """A message's parts in order; text and images between calls and results make messages of their own."""
        said: list[Part] = []
        for part in message.parts:
            if isinstance(part, Text | Image):
                said.append(part)
                continue
            item = self._item(part)
            if item is not None:
                yield from self._message(message, said)
                said = []
                yield item
        yield from self._message(message, said)

    def _item(self, part: Reasoning | ToolCall | ToolResult) -> JsonValue:
        match part:
            case Reasoning():
                return item_of_reasoning(part, own=self._own)
            case ToolCall(call_id, name, arguments):
                call: dict[str, JsonValue] = {"call_id": call_id, "name": name, "arguments": arguments}
                return with_rest({"type": "function_call", **call}, self._rest(part.rest))
            case ToolResult(call_id):
                result: dict[str, JsonValue] = {"call_id": call_id, "output": self._output(part)}
                return with_rest({"type": "function_call_output", **result}, self._rest(part.rest))

    def _output(self, result: ToolResult) -> JsonValue:
        # There is no field for a failed call.
        parts = (Text("Error:"), *result.content) if result.is_error else result.content
        match parts:
            case ():
                return ""
            case (Text(text),) if not self._rest(parts[0].rest):
                return text
            case (Text("Error:"), Text(text)) if result.is_error:
                return f"Error: {text}"
            case _:
                return [self._content(part, "input_text") for part in parts]

    def _message(self, message: Message, parts: Sequence[Part]) -> Iterable[JsonValue]:
        if not parts:
            return
        kind = "output_text" if message.role == "assistant" else "input_text"
        content: JsonValue
        match parts:
            case [Text(text)] if not self._rest(parts[0].rest):
                content = text
            case _:
                content = [self._content(part, kind) for part in parts if isinstance(part, Text | Image)]
        yield with_rest({"type": "message", "role": message.role, "content": content}, self._rest(message.rest))

    def _content(self, part: Text | Image, kind: str) -> JsonValue:
        if isinstance(part, Text):
            return with_rest({"type": kind, "text": part.text}, self._rest(part.rest))
        # The detail is required here.
        image: dict[str, JsonValue] = {"type": "input_image", "image_url": url_of_image(part)}
        return with_rest(with_rest(image, self._rest(part.rest)), {"detail": "auto"})
