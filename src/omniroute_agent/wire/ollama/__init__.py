"""Ollama's own `/api/chat`, with one JSON object per line as its stream.

Reference: https://docs.ollama.com/api/chat, /api/errors, /capabilities/tool-calling and /capabilities/thinking; field
names checked 2026-11 against docs/openapi.yaml of the server and the types of the package ollama 0.6. Ids of calls
(`id`, `tool_call_id`) are not in them; servers that know them use them, others skip them.

What cannot be carried: a forced tool choice (left to the model; `none` leaves the tools out), a ban on parallel calls,
images by URL (their URL stands in the text), signatures and sealed thinking, cached and reasoning tokens in usage, the
error mark of a tool result (said in its text).
"""

from omniroute_agent.wire.ndjson import LineParser
from omniroute_agent.wire.neutral import error_report
from omniroute_agent.wire.ollama.answer import read_answer, write_answer, write_error
from omniroute_agent.wire.ollama.decoder import OllamaDecoder
from omniroute_agent.wire.ollama.encoder import OllamaEncoder
from omniroute_agent.wire.ollama.request_in import read_request
from omniroute_agent.wire.ollama.request_out import write_request
from omniroute_agent.wire.ollama.words import ID
from omniroute_agent.wire.think_tags import tag_reading


class Ollama:
    id = ID
    path = "/api/chat"
    splitter = staticmethod(LineParser)
    write_request = staticmethod(write_request)
    read_answer = staticmethod(read_answer)
    decoder = staticmethod(tag_reading(OllamaDecoder))
    read_error = staticmethod(error_report)
    read_request = staticmethod(read_request)
    write_answer = staticmethod(write_answer)
    encoder = staticmethod(OllamaEncoder)
    write_error = staticmethod(write_error)

    def path_for(self, model: str, *, stream: bool) -> str:  # noqa: ARG002 (one path for all)
        return self.path
