"""OpenAI Responses.

Reference: https://platform.openai.com/docs/api-reference/responses; field and event names checked 2026-11 against the
types of the package openai 3.52.

Requests are self-contained here: `store` is false unless a caller of this dialect says otherwise, and what another
server keeps (`previous_response_id`, `conversation`, `prompt`, item references) is refused. Reasoning goes back as its
encrypted content, with the id it belongs to.

What cannot be carried: stop sequences (there is no field), the error mark of a tool result (said in its text), `phase`
of an answer's messages, summaries of reasoning that nobody asked for.
"""

from omniroute_agent.wire.neutral import error_report
from omniroute_agent.wire.openai_chat.answer import write_error
from omniroute_agent.wire.openai_responses.answer import read_answer, write_answer
from omniroute_agent.wire.openai_responses.decoder import ResponsesDecoder
from omniroute_agent.wire.openai_responses.encoder import ResponsesEncoder
from omniroute_agent.wire.openai_responses.request_in import read_request
from omniroute_agent.wire.openai_responses.request_out import write_request
from omniroute_agent.wire.openai_responses.words import ID
from omniroute_agent.wire.sse import SseParser
from omniroute_agent.wire.think_tags import tag_reading


class OpenAIResponses:
    id = ID
    path = "/responses"
    splitter = staticmethod(SseParser)
    write_request = staticmethod(write_request)
    read_answer = staticmethod(read_answer)
    decoder = staticmethod(tag_reading(ResponsesDecoder))
    read_error = staticmethod(error_report)
    read_request = staticmethod(read_request)
    write_answer = staticmethod(write_answer)
    encoder = staticmethod(ResponsesEncoder)
    write_error = staticmethod(write_error)

    def path_for(self, model: str, *, stream: bool) -> str:  # noqa: ARG002 (one path for all)
        return self.path
