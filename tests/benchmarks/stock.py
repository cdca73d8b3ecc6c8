"""What our A2A door is measured against: the SDK's own handler, in-memory store and routes, both protocol versions."""

import asyncio
from typing import Any

from a2a.helpers import new_task_from_user_message, new_text_message, new_text_part
from a2a.server.agent_execution import AgentExecutor, RequestContext
from a2a.server.events import EventQueue
from a2a.server.request_handlers import DefaultRequestHandler
from a2a.server.routes import create_agent_card_routes, create_jsonrpc_routes
from a2a.server.tasks import InMemoryTaskStore, TaskUpdater
from a2a.types import a2a_pb2 as pb
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

PATH = "/a2a"
ANSWER = "answer"


class Trivial(AgentExecutor):
    """A task, then its completed artifact. "chunks N": in that many pieces; "park": it asks something instead."""

    async def execute(self, context: RequestContext, event_queue: EventQueue) -> None:
        assert context.message
        if context.current_task is None:
            await event_queue.enqueue_event(new_task_from_user_message(context.message))
        task = TaskUpdater(event_queue, str(context.task_id), str(context.context_id))
        word, _, number = context.get_user_input().partition(" ")
        if word == "park":
            await task.requires_input(new_text_message("May it?", role=pb.ROLE_AGENT))
            return
        pieces = int(number) if word == "chunks" else 1
        for piece in range(pieces):
            part = new_text_part("Five words of an answer.")
            await task.add_artifact([part], ANSWER, append=piece > 0, last_chunk=piece == pieces - 1)
            # As with ours, where each piece comes from a provider: others get their turn in between.
            await asyncio.sleep(0)
        await task.complete()

    async def cancel(self, context: RequestContext, event_queue: EventQueue) -> None:
        await TaskUpdater(event_queue, str(context.task_id), str(context.context_id)).cancel()


def stock_server(url: str, plain: dict[str, Any]) -> Starlette:
    """With `plain` at `/card`, as a bare JSON route serves it."""
    card = pb.AgentCard(
        name="stock",
        description="The SDK as it comes",
        version="1",
        supported_interfaces=[
            pb.AgentInterface(url=url + PATH, protocol_binding="JSONRPC", protocol_version=version)
            for version in ("1.0", "0.3")
        ],
        capabilities=pb.AgentCapabilities(streaming=True),
        default_input_modes=["text/plain"],
        default_output_modes=["text/plain"],
        skills=[pb.AgentSkill(id="trivial", name="trivial", description="trivial", tags=["trivial"])],
    )
    handler = DefaultRequestHandler(Trivial(), InMemoryTaskStore(), card)

    async def bare_card(_request: Request) -> JSONResponse:
        return JSONResponse(plain)

    return Starlette(
        routes=[
            Route("/card", bare_card),
            *create_agent_card_routes(card),
            *create_jsonrpc_routes(handler, PATH, enable_v0_3_compat=True),
        ]
    )
