"""A neutral chat as a Gemini request."""

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
    ResponseFormat,
    Rest,
    Text,
    ToolCall,
    ToolChoice,
    ToolResult,
    ToolSpec,
)
from omniroute_agent.wire.dialect import Quirks
from omniroute_agent.wire.gemini.schema import as_schema, has_no_members
from omniroute_agent.wire.gemini.thinking import Manners, manners_of, thinking_config
from omniroute_agent.wire.gemini.words import ID
from omniroute_agent.wire.members import only_filled, with_rest
from omniroute_agent.wire.neutral import input_of, json_instruction, owner_of_images, text_of_result, texts_of
from omniroute_agent.wire.proof import own_proof

_NOTHING: Final[Rest] = {}
NO_SIGNATURE: Final = "skip_thought_signature_validator"
"""What the page on thought signatures gives calls that another model made."""
_IMAGE_TYPES: Final[Mapping[str, str]] = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "heic": "image/heic",
    "heif": "image/heif",
}


def write_request(chat: Chat, *, model: str, quirks: Quirks, stream: bool) -> dict[str, JsonValue]:  # noqa: ARG001 (the path says it)
    return _Writer(own=chat.origin == ID, quirks=quirks, manners=manners_of(model)).request(chat, model=model)


class _Writer:
    def __init__(self, *, own: bool, quirks: Quirks, manners: Manners) -> None:
        self._own = own
        self._quirks = quirks
        self._manners = manners
        self._names: dict[str, str] = {}
        """The tool's name by the id of its latest call: results name their tool."""

    def _rest(self, rest: Rest) -> Rest:
        return rest if self._own else _NOTHING

    def request(self, chat: Chat, *, model: str) -> dict[str, JsonValue]:
        system = self._system(chat)
        contents = self._contents(chat.messages)
        if not contents and system:
            # A chat of system text only is a chat elsewhere; here somebody must have spoken.
            contents.append({"role": "user", "parts": system})
            system = []
        body: dict[str, JsonValue] = {"contents": contents}
        if system:
            body["systemInstruction"] = {"parts": system}
        if chat.tools:
            body["tools"] = [{"functionDeclarations": [self._tool(tool) for tool in chat.tools]}]
            if chat.tool_choice is not None:
                body["toolConfig"] = {"functionCallingConfig": self._calling(chat.tool_choice)}
        if config := self._config(chat, model):
            body["generationConfig"] = config
        return with_rest(body, _without_thinking(self._rest(chat.rest)))

    def _config(self, chat: Chat, model: str) -> dict[str, JsonValue]:
        wanted = chat.response_format
        config = only_filled(
            maxOutputTokens=chat.max_tokens,
            temperature=chat.temperature,
            topP=chat.top_p,
            stopSequences=list(chat.stop) or None,
            thinkingConfig=thinking_config(chat, model=model) if self._quirks.reasoning_field else None,
        )
        return config | self._response_format(wanted) if wanted is not None else config

    def _response_format(self, wanted: ResponseFormat) -> dict[str, JsonValue]:
        asked: dict[str, JsonValue] = {"responseMimeType": "application/json"}
        if wanted.schema is None or not self._quirks.json_schema:
            return asked
        if (schema := as_schema(dict(wanted.schema))) is not None:
            return {**asked, "responseSchema": schema}
        return {**asked, "responseJsonSchema": dict(wanted.schema)}

    # ---- tools

    def _tool(self, tool: ToolSpec) -> JsonValue:
        body: dict[str, JsonValue] = {"name": tool.name}
        if tool.description:
            body["description"] = tool.description
        if not has_no_members(tool.schema):
            schema = as_schema({"type": "object", **tool.schema})
            if schema is not None:
                body["parameters"] = schema
            else:
                body["parametersJsonSchema"] = dict(tool.schema)
        return with_rest(body, self._rest(tool.rest))

    def _calling(self, choice: ToolChoice) -> dict[str, JsonValue]:
        if choice.mode in ("auto", "none"):
            return {"mode": choice.mode.upper()}
        if not self._quirks.forced_tool_choice:
            return {"mode": "AUTO"}
        if choice.mode == "named" and choice.name is not None:
            return {"mode": "ANY", "allowedFunctionNames": [choice.name]}
        return {"mode": "ANY"}

    # ---- contents

    def _system(self, chat: Chat) -> list[JsonValue]:
        found = [message for message in chat.messages if message.role == "system"]
        wanted = chat.response_format
        if wanted is not None and wanted.schema is not None and not self._quirks.json_schema:
            found.append(json_instruction(wanted))
        return [
            said for message in found for part in message.parts if isinstance(part, Text) for said in self._text(part)
        ]

    def _text(self, text: Text) -> list[JsonValue]:
        """Nothing for nothing: some of Google's servers refuse empty text."""
        rest = self._rest(text.rest)
        return [with_rest({"text": text.text}, rest)] if text.text or rest else []

    def _contents(self, messages: Sequence[Message]) -> list[JsonValue]:
        """Neighbours of one role become one content: the results of one turn must stand together, and first."""
        turns: list[_Turn] = []
        for message in messages:
            if message.role == "system":
                continue
            role = "model" if message.role == "assistant" else "user"
            parts = self._model(message.parts) if role == "model" else self._user(message.parts)
            if not parts:
                continue
            if turns and turns[-1].role == role:
                turns[-1].parts += parts
                turns[-1].rest |= self._rest(message.rest)
            else:
                turns.append(_Turn(role, parts, dict(self._rest(message.rest))))
        return [turn.written() for turn in turns]

    def _model(self, parts: Sequence[Part]) -> list[JsonValue]:
        """A signature belongs to the call that follows it, else to the thought it came with, else to a part alone."""
        written = _Signed()
        for part in parts:
            match part:
                case Reasoning(text, signature, redacted):
                    proof = own_proof(ID, signature)
                    written.settle()
                    if text and (proof or (self._own and signature is None and redacted is None)):
                        written.add(with_rest({"text": text, "thought": True}, self._rest(part.rest)))
                    written.hold(proof, beside_thought=bool(text))
                case ToolCall():
                    written.add_call(self._call(part), strict=self._manners.strict_signatures)
                case Text():
                    written.settle()
                    for said in self._text(part):
                        written.add(said)
                case Image():
                    written.settle()
                    written.add(self._image(part))
                case ToolResult():
                    pass  # only the user's side answers calls
        written.settle()
        return written.parts

    def _call(self, call: ToolCall) -> dict[str, JsonValue]:
        self._names[call.id] = call.name
        function: dict[str, JsonValue] = {"id": call.id, "name": call.name, "args": input_of(call.arguments)}
        return with_rest({"functionCall": function}, self._rest(call.rest))

    def _user(self, parts: Sequence[Part]) -> list[JsonValue]:
        written: list[JsonValue] = []
        for part in parts:
            match part:
                case Text():
                    written += self._text(part)
                case Image():
                    written.append(self._image(part))
                case ToolResult():
                    written += self._result(part)
                case _:
                    pass
        return written

    def _result(self, result: ToolResult) -> list[JsonValue]:
        images: list[JsonValue] = [self._image(part) for part in result.content if isinstance(part, Image)]
        nested = bool(images) and self._manners.images_in_results
        bare = texts_of(result.content, "\n")
        text = bare if nested or result.is_error else text_of_result(result)
        response: dict[str, JsonValue] = {
            "id": result.call_id,
            "name": self._names.get(result.call_id, "unknown_tool"),
        }
        own = self._rest(result.rest).get("functionResponse")
        if not (isinstance(own, Mapping) and "response" in own):
            response["response"] = {"error" if result.is_error else "output": text}
        if nested:
            response["parts"] = images
        whole = with_rest({"functionResponse": response}, self._rest(result.rest))
        if not images or nested:
            return [whole]
        return [whole, {"text": owner_of_images(result)}, *images]

    def _image(self, image: Image) -> dict[str, JsonValue]:
        if image.url is None:
            inline: dict[str, JsonValue] = {"mimeType": image.media_type, "data": image.data}
            return with_rest({"inlineData": inline}, self._rest(image.rest))
        ending = image.url.partition("?")[0].rpartition(".")[2].lower()
        file = only_filled(fileUri=image.url, mimeType=_IMAGE_TYPES.get(ending))
        return with_rest({"fileData": file}, self._rest(image.rest))


class _Signed:
    """The parts of a model's turn, and the signature that has no place yet."""

    def __init__(self) -> None:
        self.parts: list[JsonValue] = []
        self._signature: str | None = None
        self._beside_thought = False
        self._called = False

    def add(self, part: JsonValue) -> None:
        self.parts.append(part)

    def hold(self, signature: str | None, *, beside_thought: bool) -> None:
        self._signature, self._beside_thought = signature, beside_thought

    def add_call(self, call: dict[str, JsonValue], *, strict: bool) -> None:
        if "thoughtSignature" in call:
            self.settle()
        elif self._signature is not None:
            call["thoughtSignature"], self._signature = self._signature, None
        elif strict and not self._called:
            # Only the first of parallel calls is signed.
            call["thoughtSignature"] = NO_SIGNATURE
        self._called = True
        self.parts.append(call)

    def settle(self) -> None:
        """No call took the signature."""
        if self._signature is None:
            return
        last = self.parts[-1] if self.parts and self._beside_thought else None
        if isinstance(last, dict):
            last["thoughtSignature"] = self._signature
        else:
            self.parts.append({"text": "", "thoughtSignature": self._signature})
        self._signature = None


@dataclass(slots=True)
class _Turn:
    role: str
    parts: list[JsonValue]
    rest: dict[str, JsonValue]

    def written(self) -> JsonValue:
        if self.role == "user":
            self.parts.sort(key=lambda part: isinstance(part, dict) and "functionResponse" not in part)
        return with_rest({"role": self.role, "parts": self.parts}, self.rest)


def _without_thinking(rest: Rest) -> Rest:
    """What of the caller's own fields `thinking_config` has not decided upon already."""
    config = rest.get("generationConfig")
    if not isinstance(config, Mapping) or "thinkingConfig" not in config:
        return rest
    others = {key: value for key, value in config.items() if key != "thinkingConfig"}
    kept = {key: value for key, value in rest.items() if key != "generationConfig"}
    return {**kept, "generationConfig": others} if others else kept
