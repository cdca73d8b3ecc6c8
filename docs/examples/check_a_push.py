"""A receiver of push notifications that checks what it gets. It needs PyJWT with `cryptography`, and nothing else.

python check_a_push.py https://gateway.example https://hooks.example.com my-own-token

listens on port 9000 behind a proxy that ends TLS for https://hooks.example.com, and prints each task it is told about.
"""

import json
import sys
from collections.abc import Callable, Mapping
from hashlib import sha256
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt

Key = Callable[[str], Any]
"""A signed token → the public key it names."""


class NotGenuine(Exception):
    """It does not come from that agent, is not for this receiver, or was changed or kept back on its way."""


def task_in(
    headers: Mapping[str, str], body: bytes, key: Key, *, issuer: str, audience: str, token: str
) -> dict[str, Any]:
    """The task a notification tells of, in the words of the version its hook was made with.

    `headers` have their names in lower case. A notification may come twice: whoever counts them remembers the `jti`.

    Raises:
        NotGenuine: see there.
    """
    if not compare_digest(headers.get("x-a2a-notification-token", ""), token):
        raise NotGenuine("the token is not ours")
    signed = headers.get("x-a2a-notification-jwt") or headers.get("authorization", "").removeprefix("Bearer ")
    try:
        claims = jwt.decode(
            signed,
            key(signed),
            algorithms=["ES256"],
            issuer=issuer,
            audience=audience,
            options={"require": ["iss", "aud", "iat", "exp", "jti"]},
        )
    except jwt.PyJWTError as error:
        raise NotGenuine(str(error)) from error
    if not compare_digest(claims.get("request_body_sha256", ""), sha256(body).hexdigest()):
        raise NotGenuine("the body is not the one that was signed")
    told = json.loads(body)
    task: dict[str, Any] = told.get("task", told)
    if task.get("id") != claims.get("taskId"):
        raise NotGenuine("the task is not the one that was signed")
    return task


def serve(agent: str, own: str, token: str) -> None:
    keys = jwt.PyJWKClient(f"{agent}/.well-known/jwks.json")

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            try:
                task = task_in(headers, body, keys.get_signing_key_from_jwt, issuer=agent, audience=own, token=token)
            except NotGenuine as why:
                self.send_error(403, str(why))
                return
            print(task["id"], task["status"]["state"], flush=True)  # noqa: T201
            self.send_response(204)
            self.end_headers()

    ThreadingHTTPServer(("127.0.0.1", 9000), Hook).serve_forever()


if __name__ == "__main__":
    serve(*sys.argv[1:])
