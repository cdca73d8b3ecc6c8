"""A request's body as a whole."""

from starlette.types import Receive

from omniroute_agent.doors.access import Headers
from omniroute_agent.doors.refusal import Refusal

_MIB = 1024 * 1024


async def whole_body(headers: Headers, receive: Receive, most: int) -> bytes | None:
    """The body; None when the client left while sending.

    Raises:
        Refusal: it is longer than `most` bytes.
    """
    declared = headers.get(b"content-length", (b"0",))[0]
    if declared.isdigit() and int(declared) > most:
        raise _too_large(most)
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if len(body) > most:
            raise _too_large(most)
        if not message.get("more_body", False):
            return bytes(body)


def _too_large(most: int) -> Refusal:
    return Refusal(413, "invalid_request", f"The body is larger than {most // _MIB} MiB.")
