"""What the protocol's conformance suite expects a server to have besides its own tools: prescribed tools, resources
and prompts, added to a server as the house makes it. Their names and answers are the suite's.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Final

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import (
    InMemorySubscriptionBus,
    ListenHandler,
    PromptsListChanged,
    ServerEvent,
    ToolsListChanged,
)
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CompleteRequestParams,
    EmptyResult,
    GetPromptRequestParams,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    RequestParams,
    SetLevelRequestParams,
    SubscribeRequestParams,
    SubscriptionsListenRequestParams,
    UnsubscribeRequestParams,
)

from conformance.questions import QUESTIONS, answered, ask

Context = ServerRequestContext[Any, Any]
Wire = dict[str, Any]
Tool = Callable[[Context], Awaitable[Wire]]
Handler = Callable[[Context, Any], Awaitable[Any]]

PIXEL: Final = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg=="  # a red PNG
)
SILENCE: Final = "UklGRiQAAABXQVZFZm10IBAAAAABAAEARKwAAIhYAQACABAAZGF0YQAAAAA="  # a WAV without samples
PAUSE: Final = 0.05
"""Seconds the suite wants between notices."""


def text(words: str) -> Wire:
    return {"type": "text", "text": words}


def image() -> Wire:
    return {"type": "image", "data": PIXEL, "mimeType": "image/png"}


def embedded(uri: str, kind: str, words: str) -> Wire:
    return {"type": "resource", "resource": {"uri": uri, "mimeType": kind, "text": words}}


def result(*content: Wire, failed: bool = False) -> Wire:
    return {"content": list(content), "isError": failed, "resultType": "complete"}


CONTENT: Final[Mapping[str, Wire]] = {
    "test_simple_text": result(text("This is a simple text response for testing.")),
    "test_image_content": result(image()),
    "test_audio_content": result({"type": "audio", "data": SILENCE, "mimeType": "audio/wav"}),
    "test_embedded_resource": result(
        embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")
    ),
    "test_multiple_content_types": result(
        text("Multiple content types test:"),
        image(),
        embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
    ),
    "test_error_handling": result(text("This tool intentionally returns an error for testing"), failed=True),
}


async def _with_logging(ctx: Context) -> Wire:
    for words in ("Tool execution started", "Tool processing data", "Tool execution completed"):
        await ctx.session.send_log_message("info", words, related_request_id=ctx.request_id)
        await anyio.sleep(PAUSE)
    return result(text("three notices were sent"))


async def _with_progress(ctx: Context) -> Wire:
    for done in (0, 50, 100):
        await ctx.session.report_progress(done, 100)
        await anyio.sleep(PAUSE)
    return result(text("three steps were told"))


def with_fixtures(server: Server[Any]) -> Server[Any]:
    """The server with the suite's parts added; its own tools are listed and called as before."""
    bus = InMemorySubscriptionBus()
    tools = _tools(bus)
    own_list, own_call = _own(server, "tools/list"), _own(server, "tools/call")

    async def list_tools(ctx: Context, params: PaginatedRequestParams) -> Wire:
        listed: Any = await own_list(ctx, params)
        names = sorted((*tools, *QUESTIONS))
        return {**listed, "tools": [*listed["tools"], *(_listed(name) for name in names)]}

    async def call_tool(ctx: Context, params: CallToolRequestParams) -> Any:
        if params.name in QUESTIONS:
            return await ask(params.name, ctx, params.arguments or {}, params.input_responses, params.request_state)
        if params.name in tools:
            return await tools[params.name](ctx)
        return await own_call(ctx, params)

    server.add_request_handler("tools/list", PaginatedRequestParams, list_tools)
    server.add_request_handler("tools/call", CallToolRequestParams, call_tool)
    _join_list(server, "resources/list", "resources", _RESOURCES)
    _join_list(server, "resources/templates/list", "resourceTemplates", _TEMPLATES)
    _join_list(server, "prompts/list", "prompts", _listed_prompts())
    for method, params, handler in (
        ("resources/read", ReadResourceRequestParams, _read_resource),
        ("resources/subscribe", SubscribeRequestParams, _nothing),
        ("resources/unsubscribe", UnsubscribeRequestParams, _nothing),
        ("prompts/get", GetPromptRequestParams, _get_prompt),
        ("completion/complete", CompleteRequestParams, _complete),
    ):
        _join(server, method, params, handler)
    server.add_request_handler("logging/setLevel", SetLevelRequestParams, _nothing)
    server.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, ListenHandler(bus))
    server.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=server.name))
    return server


def _own(server: Server[Any], method: str) -> Handler:
    entry = server.get_request_handler(method)
    assert entry is not None
    return entry.handler


def _join_list(server: Server[Any], method: str, key: str, fixtures: Sequence[Wire]) -> None:
    """The suite's entries after the server's own."""
    own = _own(server, method)

    async def handler(ctx: Context, params: PaginatedRequestParams) -> Any:
        listed: Any = await own(ctx, params)
        return {**listed, key: [*listed[key], *fixtures]}

    server.add_request_handler(method, PaginatedRequestParams, handler)


def _join(server: Server[Any], method: str, params_type: type[RequestParams], fixture: Handler) -> None:
    """The suite's answer where the request names a part of the suite's, else the server's own."""
    own = _own(server, method)

    async def handler(ctx: Context, params: Any) -> Any:
        return await (fixture if _is_fixture(params) else own)(ctx, params)

    server.add_request_handler(method, params_type, handler)


def _is_fixture(params: Any) -> bool:
    named = getattr(params, "ref", params)
    name = str(getattr(named, "uri", None) or getattr(named, "name", ""))
    return name.startswith(("test://", "test_"))


def _tools(bus: InMemorySubscriptionBus) -> Mapping[str, Tool]:
    return {
        **{name: _constant(answer) for name, answer in CONTENT.items()},
        "test_tool_with_logging": _with_logging,
        "test_logging_tool": _with_logging,
        "test_tool_with_progress": _with_progress,
        "test_trigger_tool_change": _telling(bus, ToolsListChanged()),
        "test_trigger_prompt_change": _telling(bus, PromptsListChanged()),
    }


def _telling(bus: InMemorySubscriptionBus, event: ServerEvent) -> Tool:
    async def tool(_: Context) -> Wire:
        await bus.publish(event)
        return result(text("told"))

    return tool


def _constant(answer: Wire) -> Tool:
    async def tool(_: Context) -> Wire:
        return answer

    return tool


_ARGUMENT: Final = {"test_sampling": "prompt", "test_elicitation": "message"}


def _listed(name: str) -> Wire:
    needed = [_ARGUMENT[name]] if name in _ARGUMENT else []
    schema = {"type": "object", "properties": {key: {"type": "string"} for key in needed}, "required": needed}
    return {"name": name, "description": f"Prescribed by the conformance suite: {name}.", "inputSchema": schema}


async def _nothing(_: Context, __: RequestParams) -> EmptyResult:
    return EmptyResult()


_RESOURCES: Final[Sequence[Wire]] = [
    {"uri": f"test://{name}", "name": name, "description": f"The resource {name}.", "mimeType": kind}
    for name, kind in (
        ("static-text", "text/plain"),
        ("static-binary", "image/png"),
        ("watched-resource", "text/plain"),
    )
]
_TEMPLATES: Final[Sequence[Wire]] = [
    {"uriTemplate": "test://template/{id}/data", "name": "template", "mimeType": "application/json"}
]


async def _read_resource(_: Context, params: ReadResourceRequestParams) -> Wire:
    uri = str(params.uri)
    if uri == "test://static-binary":
        found: Wire = {"mimeType": "image/png", "blob": PIXEL}
    elif uri in ("test://static-text", "test://watched-resource"):
        found = {"mimeType": "text/plain", "text": "This is the content of the static text resource."}
    elif uri.startswith("test://template/") and uri.endswith("/data"):
        id_ = uri.removeprefix("test://template/").removesuffix("/data")
        body = f'{{"id":"{id_}","templateTest":true,"data":"Data for ID: {id_}"}}'
        found = {"mimeType": "application/json", "text": body}
    else:
        raise MCPError(code=INVALID_PARAMS, message="Resource not found", data={"uri": uri})
    return {"contents": [{"uri": uri, **found}], "resultType": "complete"}


def _user(*content: Wire) -> Wire:
    return {"messages": [{"role": "user", "content": each} for each in content], "resultType": "complete"}


_PROMPTS: Final[Mapping[str, tuple[str, ...]]] = {
    "test_simple_prompt": (),
    "test_prompt_with_arguments": ("arg1", "arg2"),
    "test_prompt_with_embedded_resource": ("resourceUri",),
    "test_prompt_with_image": (),
    "test_input_required_result_prompt": (),
}


def _listed_prompts() -> list[Wire]:
    return [
        {
            "name": name,
            "description": f"The prompt {name}.",
            "arguments": [{"name": argument, "required": True} for argument in arguments],
        }
        for name, arguments in _PROMPTS.items()
    ]


async def _get_prompt(_: Context, params: GetPromptRequestParams) -> Wire:
    given = params.arguments or {}
    match params.name:
        case "test_simple_prompt":
            return _user(text("This is a simple prompt for testing."))
        case "test_prompt_with_arguments":
            return _user(text(f"Prompt with arguments: arg1='{given['arg1']}', arg2='{given['arg2']}'"))
        case "test_prompt_with_embedded_resource":
            body = embedded(given["resourceUri"], "text/plain", "Embedded resource content for testing.")
            return _user(body, text("Please process the embedded resource above."))
        case "test_prompt_with_image":
            return _user(image(), text("Please analyze the image above."))
        case "test_input_required_result_prompt":
            context = answered(params.input_responses, "user_context")
            if context is None:
                return QUESTIONS["test_input_required_result_prompt"].wire()
            return _user(text(f"In the context {context['content']['context']}."))
        case name:
            raise MCPError(code=INVALID_PARAMS, message=f"No prompt is called {name}.")


async def _complete(_: Context, params: CompleteRequestParams) -> Wire:
    begun = params.argument.value
    values = [word for word in ("paris", "park", "party") if word.startswith(begun)]
    return {"completion": {"values": values, "total": len(values), "hasMore": False}, "resultType": "complete"}
