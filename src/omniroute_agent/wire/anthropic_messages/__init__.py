"""Anthropic Messages.

Reference: https://platform.claude.com/docs/en/api/messages; field names checked 2026-11 against the types of the
package anthropic 2.11. Structured outputs (`output_config.format`) are from build-with-claude/structured-outputs.

What cannot be carried: reasoning of other providers (the API wants its own signature), any JSON object as a format
(asked for in words), a system message in the middle (lifted to the top). The version header is the provider table's
matter.
"""

from omniroute_agent.wire.anthropic_messages.answer import read_answer, write_answer, write_error
from omniroute_agent.wire.anthropic_messages.decoder import AnthropicDecoder
from omniroute_agent.wire.anthropic_messages.encoder import AnthropicEncoder
from omniroute_agent.wire.anthropic_messages.request_in import read_request
from omniroute_agent.wire.anthropic_messages.request_out import write_request
from omniroute_agent.wire.anthropic_messages.words import ID
from omniroute_agent.wire.neutral import error_report
from omniroute_agent.wire.sse import SseParser
from omniroute_agent.wire.think_tags import tag_reading


class AnthropicMessages:
    id = ID
    path = "/messages"
    splitter = staticmethod(SseParser)
    write_request = staticmethod(write_request)
    read_answer = staticmethod(read_answer)
    decoder = staticmethod(tag_reading(AnthropicDecoder))
    read_error = staticmethod(error_report)
    read_request = staticmethod(read_request)
    write_answer = staticmethod(write_answer)
    encoder = staticmethod(AnthropicEncoder)
    write_error = staticmethod(write_error)

    def path_for(self, model: str, *, stream: bool) -> str:  # noqa: ARG002 (one path for all)
        return self.path
