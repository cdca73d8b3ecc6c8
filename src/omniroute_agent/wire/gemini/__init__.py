"""Gemini `generateContent` and `streamGenerateContent`.

Reference: https://ai.google.dev/api/generate-content; field names checked 2026-11 against the types of the package
google-genai 3.4, signatures and thinking against the pages thought-signatures, thinking and openai under
https://ai.google.dev/gemini-api/docs.

The model and the wish for a stream stand in the path, not in the body. So a door of this dialect puts both into the
body (`model`, `stream`) before `read_request`, and `write_request` writes neither.

What cannot be carried: a ban on parallel calls, redacted thinking of others, ids of models' calls where a server gave
none (they are made from the response's id). Cached contents and the provider's own tools are refused.
"""

from urllib.parse import quote

from omniroute_agent.wire.gemini.answer import read_answer, write_answer
from omniroute_agent.wire.gemini.decoder import GeminiDecoder
from omniroute_agent.wire.gemini.encoder import GeminiEncoder
from omniroute_agent.wire.gemini.errors import read_error, write_error
from omniroute_agent.wire.gemini.request_in import read_request
from omniroute_agent.wire.gemini.request_out import write_request
from omniroute_agent.wire.gemini.words import ID
from omniroute_agent.wire.sse import SseParser
from omniroute_agent.wire.think_tags import tag_reading


class Gemini:
    id = ID
    path = "/models/{model}:generateContent"
    splitter = staticmethod(SseParser)
    write_request = staticmethod(write_request)
    read_answer = staticmethod(read_answer)
    decoder = staticmethod(tag_reading(GeminiDecoder))
    read_error = staticmethod(read_error)
    read_request = staticmethod(read_request)
    write_answer = staticmethod(write_answer)
    encoder = staticmethod(GeminiEncoder)
    write_error = staticmethod(write_error)

    def path_for(self, model: str, *, stream: bool) -> str:
        """A name cannot leave its place in the path: its slashes are escaped, but for the kind of a tuned model."""
        kind, tuned, name = model.partition("tunedModels/")
        place = f"/tunedModels/{quote(name, safe='')}" if tuned and not kind else f"/models/{_plain(model)}"
        return place + (":streamGenerateContent?alt=sse" if stream else ":generateContent")


def _plain(model: str) -> str:
    return quote(model.removeprefix("models/"), safe="")
