"""A neutral chat as a Chat Completions request."""

from collections.abc import Iterable, Mapping
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
from omniroute_agent.wire.dialect import Quirks
from omniroute_agent.wire.members import only_filled, with_rest
from omniroute_agent.wire.neutral import (
    json_instruction,
    owner_of_images,
    text_of_result,
    texts_of,
    url_of_image,
)

ID: Final = "openai-chat"
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
        messages = chat.messages
        if chat.response_format is not None and chat.response_format.schema is not None and not quirks.json_schema:
            messages = (json_instruction(chat.response_format), *messages)
        body = only_filled(
            model=model,
            messages=[written for message in messages for written in self._messages(message)],
            temperature=chat.temperature,
            top_p=chat.top_p,
            stop=list(chat.stop) or None,
            response_format=self._response_format(chat),
        )
        if chat.max_tokens is not None:
            body[quirks.max_tokens_field] = chat.max_tokens
        if chat.tools:
            body |= self._tools(chat)
        if chat.reasoning_effort is not None and quirks.reasoning_field:
            body[quirks.reasoning_field] = chat.reasoning_effort
        rest = dict(self._rest(chat.rest))
        if not quirks.json_schema:
            rest.pop("response_format", None)
        options = rest.pop("stream_options", None)
        if stream:
            body["stream"] = True
            if quirks.stream_usage:
                body["stream_options"] = with_rest(
                    {"include_usage": True}, options if isinstance(options, Mapping) else _NOTHING
                )
        return with_rest(body, rest)

    def _response_format(self, chat: Chat) -> JsonValue:
        wanted = chat.response_format
        if wanted is None:
            return None
        if wanted.schema is None or not self._quirks.json_schema:
            return {"type": "json_object"}
        return {
            "type": "json_schema",
            "json_schema": {"name": wanted.name, "strict": wanted.strict, "schema": dict(wanted.schema)},
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
        function: dict[str, JsonValue] = {"name": tool.name}
        if tool.description:
            function["description"] = tool.description
        function["parameters"] = dict(tool.schema)
        return with_rest({"type": "function", "function": function}, self._rest(tool.rest))

    def _tool_choice(self, choice: ToolChoice) -> JsonValue:
        if choice.mode in ("auto", "none"):
            return choice.mode
        if not self._quirks.forced_tool_choice:
            return "auto"
        if choice.mode == "named" and choice.name is not None:
            return {"type": "function", "function": {"name": choice.name}}
        return "required"

    # ---- messages

    def _messages(self, message: Message) -> Iterable[JsonValue]:
        match message.role:
            case "system":
                yield self._system(message)
            case "assistant":
                yield self._assistant(message)
            case "user":
                yield from self._user(message)

    def _system(self, message: Message) -> JsonValue:
        # `developer` is `system` to every model of OpenAI, and unknown to most others.
        content = self._plain(message.parts, joint="\n\n")
        return with_rest({"role": "system", "content": content}, self._rest(message.rest))

    def _plain(self, parts: tuple[Part, ...], joint: str) -> JsonValue:
        """Text as one string, which every server reads; as parts only where they carry something of their own."""
        if any(self._rest(part.rest) for part in parts if isinstance(part, Text)):
            return [self._content(part) for part in parts if isinstance(part, Text)]
        return texts_of(parts, joint)

    def _assistant(self, message: Message) -> JsonValue:
        calls = [self._call(part) for part in message.parts if isinstance(part, ToolCall)]
        content = self._plain(message.parts, joint="")
        body: dict[str, JsonValue] = {"role": "assistant", "content": content if content or not calls else None}
        thought = "".join(part.text for part in message.parts if isinstance(part, Reasoning))
        if thought and self._quirks.reasoning_history:
            body[self._quirks.reasoning_history] = thought
        if calls:
            body["tool_calls"] = calls
        return with_rest(body, self._rest(message.rest))

    def _call(self, call: ToolCall) -> JsonValue:
        function: dict[str, JsonValue] = {"name": call.name, "arguments": call.arguments}
        return with_rest({"id": call.id, "type": "function", "function": function}, self._rest(call.rest))

    def _user(self, message: Message) -> Iterable[JsonValue]:
        """Tool results are messages of their own and come first, as they answer the calls just before them."""
        content: list[JsonValue] = []
        for part in message.parts:
            match part:
                case ToolResult():
                    yield self._result(part)
                    content += self._images_of(part)
                case Text() | Image():
                    content.append(self._content(part))
                case _:
                    pass
        only = message.parts[0] if len(message.parts) == 1 else None
        if isinstance(only, Text) and not self._rest(only.rest):
            yield with_rest({"role": "user", "content": only.text}, self._rest(message.rest))
        elif content:
            yield with_rest({"role": "user", "content": content}, self._rest(message.rest))

    def _result(self, result: ToolResult) -> JsonValue:
        # A tool message holds text only, its images follow in the next user message; no field says that a call failed.
        content: JsonValue = text_of_result(result)
        images = any(isinstance(part, Image) for part in result.content)
        if not images and not result.is_error and any(self._rest(part.rest) for part in result.content):
            content = [self._content(part) for part in result.content]
        return with_rest({"role": "tool", "tool_call_id": result.call_id, "content": content}, self._rest(result.rest))

    def _images_of(self, result: ToolResult) -> list[JsonValue]:
        images = [self._content(part) for part in result.content if isinstance(part, Image)]
        if not images:
            return []
        return [{"type": "text", "text": owner_of_images(result)}, *images]

    def _content(self, part: Text | Image) -> JsonValue:
        if isinstance(part, Text):
            return with_rest({"type": "text", "text": part.text}, self._rest(part.rest))
        return with_rest(
            {"type": "image_url", "image_url": {"url": url_of_image(part)}},
            self._rest(part.rest),
        )
