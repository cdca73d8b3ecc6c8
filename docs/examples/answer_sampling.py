"""Lets a server that still sends `sampling/createMessage` think through omniroute-agent.

    python answer_sampling.py summarize '{"text": "…"}' -- legacy-server --stdio

starts that server and `omniroute-agent mcp`, calls the tool, and answers what the server wants to have sampled.
Take `sampling_through` into a client of your own.
"""

import asyncio
import json
import sys
from typing import Any

from mcp import Client, StdioServerParameters
from mcp.client import ClientRequestContext
from mcp.client.session import SamplingFnT
from mcp_types import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    AudioContent,
    CreateMessageRequestParams,
    CreateMessageResult,
    ErrorData,
    ImageContent,
    SamplingMessageContentBlock,
    TextContent,
)

ROUTER = StdioServerParameters(command="omniroute-agent", args=["mcp"])
STOPPED = {"stop": "endTurn", "length": "maxTokens"}


def sampling_through(
    router: Client, *, combo: str | None = None, budget_usd: str | None = None, most_tokens: int = 4096
) -> SamplingFnT:
    """A `sampling_callback` that answers through `router`, a client of omniroute-agent.

    The server's hints at models are not followed: whoever pays chooses, with `combo`. No request may cost more than
    `budget_usd`; for all of them together there are guards (docs/budgets.md).
    """

    async def sample(
        context: ClientRequestContext,  # noqa: ARG001 (the SDK names it)
        params: CreateMessageRequestParams,
    ) -> CreateMessageResult | ErrorData:
        chosen = {"temperature": params.temperature, "combo": combo, "budget_usd": budget_usd}
        try:
            arguments = {
                "messages": messages_of(params),
                "max_tokens": min(params.max_tokens, most_tokens),
                **{name: value for name, value in chosen.items() if value is not None},
            }
        except ValueError as error:
            return ErrorData(code=INVALID_PARAMS, message=str(error))
        answer = await router.call_tool("omniroute_route_request", arguments)
        if answer.is_error or answer.structured_content is None:
            said = " ".join(block.text for block in answer.content if isinstance(block, TextContent))
            return ErrorData(code=INVALID_REQUEST, message=said)
        return result_of(answer.structured_content, params.stop_sequences or [])

    return sample


def messages_of(params: CreateMessageRequestParams) -> list[dict[str, Any]]:
    """
    Raises:
        ValueError: something was sent that is neither text nor an image.
    """
    first = [{"role": "system", "content": params.system_prompt}] if params.system_prompt else []
    return first + [
        {"role": message.role, "content": [part_of(block) for block in message.content_as_list]}
        for message in params.messages
    ]


def part_of(block: SamplingMessageContentBlock) -> dict[str, str]:
    match block:
        case TextContent():
            return {"type": "text", "text": block.text}
        case ImageContent():
            return {"type": "image", "data": block.data, "media_type": block.mime_type}
        case AudioContent():
            raise ValueError("Audio cannot be sent to a language model here.")
        case _:
            raise ValueError("Tools in sampling were not offered by this client.")


def result_of(routed: dict[str, Any], stops: list[str]) -> CreateMessageResult:
    text: str = routed["text"]
    stopped = STOPPED.get(routed["finish"], routed["finish"])
    # The tool takes no stop sequences: the text ends here where it would have ended there.
    if found := [at for at in (text.find(stop) for stop in stops) if at >= 0]:
        text, stopped = text[: min(found)], "stopSequence"
    return CreateMessageResult(
        role="assistant",
        content=TextContent(type="text", text=text),
        model=routed["receipt"]["served_by"],
        stop_reason=stopped,
    )


async def main(tool: str, arguments: dict[str, Any], command: list[str]) -> None:
    legacy = StdioServerParameters(command=command[0], args=command[1:])
    async with (
        Client(ROUTER) as router,
        Client(legacy, mode="legacy", sampling_callback=sampling_through(router, budget_usd="0.05")) as server,
    ):
        answer = await server.call_tool(tool, arguments)
    for block in answer.content:
        if isinstance(block, TextContent):
            sys.stdout.write(f"{block.text}\n")


if __name__ == "__main__":
    name, given, _, *words = sys.argv[1:]
    asyncio.run(main(name, json.loads(given), words))
