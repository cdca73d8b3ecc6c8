"""A server whose tool needs a language model, without `sampling/createMessage`: it is a client of omniroute-agent.

python ask_the_router.py

serves the tool `summarize` on stdin and stdout, in both protocol eras.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from mcp import Client, StdioServerParameters
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError
from mcp_types import TextContent

ROUTER = StdioServerParameters(command="omniroute-agent", args=["mcp"])


def make_server(router: StdioServerParameters = ROUTER) -> MCPServer[Client]:
    @asynccontextmanager
    async def lifespan(_: MCPServer[Client]) -> AsyncGenerator[Client, None]:
        async with Client(router) as client:
            yield client

    server = MCPServer("summaries", lifespan=lifespan)

    @server.tool()
    async def summarize(text: str, ctx: Context[Client]) -> str:
        """Sum a text up in one sentence."""
        # Before: `ctx.session.create_message(…)`, which the client might not have known how to answer.
        answer = await ctx.request_context.lifespan_context.call_tool(
            "omniroute_route_request",
            {
                "messages": [
                    {"role": "system", "content": "Sum this up in one sentence."},
                    {"role": "user", "content": text},
                ],
                "task": "documentation",
                "max_tokens": 200,
                "budget_usd": "0.01",
            },
        )
        if answer.is_error or answer.structured_content is None:
            raise ToolError(" ".join(block.text for block in answer.content if isinstance(block, TextContent)))
        return str(answer.structured_content["text"])

    return server


if __name__ == "__main__":
    make_server().run("stdio")
