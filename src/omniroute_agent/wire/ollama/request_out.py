"""A neutral chat as an Ollama chat request."""

from collections.abc import Iterable, Sequence
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
    ToolResult,
    ToolSpec,
)
from omniroute_agent.wire.dialect import Quirks
from omniroute_agent.wire.members import only_filled, with_rest
from omniroute_agent.wire.neutral import json_instruction, owner_of_images, text_of_result
from omniroute_agent.wire.ollama.words import ID, think_of, written_call

_NOTHING: Final[Rest] = {}


def write_request(chat: Chat, *, model: str, quirks: Quirks, stream: bool) -> dict[str, JsonValue]:
    return _Writer(own=chat.origin == ID, quirks=quirks).request(chat, model=model, stream=stream)


class _Writer:
    def __init__(self, *, own: bool, quirks: Quirks) -> None:
        self._own = own
        self._quirks = quirks
        self._names: dict[str, str] = {}
        """The tool's name by the id of its latest call: results name their tool."""

    def _rest(self, rest: Rest) -> Rest:
        return rest if self._own else _NOTHING

    def request(self, chat: Chat, *, model: str, stream: bool) -> dict[str, JsonValue]:
        quirks = self._quirks
        wanted = chat.response_format
        messages = chat.messages
        if wanted is not None and wanted.schema is not None and not quirks.json_schema:
            messages = (json_instruction(wanted), *messages)
        options = only_filled(
            num_predict=chat.max_tokens,
            temperature=chat.temperature,
            top_p=chat.top_p,
            stop=list(chat.stop) or None,
        )
        # A stream is the default here, so the opposite must be said.
        body: dict[str, JsonValue] = {
            "model": model,
            "messages": [written for message in messages for written in self._messages(message)],
            "stream": stream,
        }
        if options:
            body["options"] = options
        if wanted is not None:
            body["format"] = dict(wanted.schema) if wanted.schema is not None and quirks.json_schema else "json"
        if chat.tools and (chat.tool_choice is None or chat.tool_choice.mode != "none"):
            body["tools"] = [self._tool(tool) for tool in chat.tools]
        rest = dict(self._rest(chat.rest))
        own_think = rest.pop("think", None)
        if quirks.reasoning_field:
            if own_think is not None:
                body["think"] = own_think
            elif chat.reasoning_effort is not None:
                body["think"] = think_of(chat.reasoning_effort, model)
        return with_rest(body, rest)

    def _tool(self, tool: ToolSpec) -> JsonValue:
        function: dict[str, JsonValue] = {
            "name": tool.name,
            "description": tool.description,
            "parameters": dict(tool.schema),
        }
        return with_rest({"type": "function", "function": function}, self._rest(tool.rest))

    # ---- messages

    def _messages(self, message: Message) -> Iterable[JsonValue]:
        match message.role:
            case "system" | "user":
                yield from self._user(message)
            case "assistant":
                yield self._assistant(message)

    def _user(self, message: Message) -> Iterable[JsonValue]:
        """Tool results are messages of their own and come first, as they answer the calls just before them."""
        said: list[Part] = []
        for part in message.parts:
            match part:
                case ToolResult():
                    yield self._result(part)
                    if images := [image for image in part.content if isinstance(image, Image)]:
                        said += (Text(owner_of_images(part)), *images)
                case Text() | Image():
                    said.append(part)
                case _:
                    pass
        if said or not message.parts:
            yield self._said(message, said)

    def _said(self, message: Message, parts: Sequence[Part]) -> JsonValue:
        body: dict[str, JsonValue] = {"role": message.role, "content": _content(parts)}
        if images := [part.data for part in parts if isinstance(part, Image) and part.data is not None]:
            body["images"] = list(images)
        return with_rest(body, self._rest(message.rest))

    def _assistant(self, message: Message) -> JsonValue:
        body: dict[str, JsonValue] = {"role": "assistant", "content": _content(message.parts)}
        if thought := "".join(part.text for part in message.parts if isinstance(part, Reasoning)):
            body["thinking"] = thought
        if calls := [part for part in message.parts if isinstance(part, ToolCall)]:
            self._names |= {call.id: call.name for call in calls}
            body["tool_calls"] = [
                with_rest(written_call(call, at), self._rest(call.rest)) for at, call in enumerate(calls)
            ]
        return with_rest(body, self._rest(message.rest))

    def _result(self, result: ToolResult) -> JsonValue:
        body: dict[str, JsonValue] = {"role": "tool", "content": text_of_result(result)}
        if name := self._names.get(result.call_id):
            body["tool_name"] = name
        body["tool_call_id"] = result.call_id
        return with_rest(body, self._rest(result.rest))


def _content(parts: Sequence[Part]) -> str:
    """All text as one; the server takes images as data only, so one by URL is named where it stood."""
    texts: list[str] = []
    for part in parts:
        match part:
            case Text(text):
                texts.append(text)
            case Image(url=str(url)):
                texts.append(f"[Image: {url}]")
            case _:
                pass
    return "\n".join(texts)
