"""An answer given before any door has seen the request."""

import json

from starlette.types import Send


class Refusal(Exception):
    """An answer given before any door: a status and a JSON body in the house's words."""

    def __init__(
        self, status: int, code: str, message: str, hint: str = "", headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.headers = headers

    async def send(self, send: Send) -> None:
        error = {"code": self.code, "message": self.message, "hint": self.hint}
        await send_json(send, self.status, json.dumps({"error": error}).encode(), self.headers)


async def send_json(send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    length = (b"content-length", str(len(body)).encode())
    every = [(b"content-type", b"application/json"), length, *headers]
    await send({"type": "http.response.start", "status": status, "headers": every})
    await send({"type": "http.response.body", "body": body})
