"""OpenAI Chat Completions, and what the many servers that speak it made of it.

Reference: https://platform.openai.com/docs/api-reference/chat; field names checked 2026-11 against the types of the
package openai 3.52. `reasoning_content` and its alias `reasoning` are from the pages of DeepSeek, vLLM and OpenRouter.

What cannot be carried: signatures of thinking, the error mark of a tool result (said in its text), images inside a tool
result (moved into the user message that follows).
"""

from omniroute_agent.wire.neutral import error_report
from omniroute_agent.wire.openai_chat.answer import read_answer, write_answer, write_error
from omniroute_agent.wire.openai_chat.request_in import read_request
from omniroute_agent.wire.openai_chat.request_out import ID, write_request
from omniroute_agent.wire.openai_chat.stream import OpenAIChatDecoder, OpenAIChatEncoder
from omniroute_agent.wire.sse import SseParser
from omniroute_agent.wire.think_tags import tag_reading


class OpenAIChat:
    id = ID
    path = "/chat/completions"
    splitter = staticmethod(SseParser)
    write_request = staticmethod(write_request)
    read_answer = staticmethod(read_answer)
    decoder = staticmethod(tag_reading(OpenAIChatDecoder))
    read_error = staticmethod(error_report)
    read_request = staticmethod(read_request)
    write_answer = staticmethod(write_answer)
    encoder = staticmethod(OpenAIChatEncoder)
    write_error = staticmethod(write_error)

    def path_for(self, model: str, *, stream: bool) -> str:  # noqa: ARG002 (one path for all)
        return self.path
