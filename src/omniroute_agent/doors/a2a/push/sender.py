"""One notification: signed, sent once, and what came of it.

The receiver can check three things. `Authorization` is what its owner asked for. `X-A2A-Notification-Token` is the
owner's own token. And a JSON Web Token, signed with the key that `/.well-known/jwks.json` shows, names this server, the
receiver, the task and the SHA-256 of the body; it stands in `Authorization: Bearer` as A2A's own guide has it (topic
"Streaming and Asynchronous Operations", read 2026-11-21), and where that place is taken in `X-A2A-Notification-JWT`.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import httpx2
from pydantic import JsonValue

from omniroute_agent.doors.a2a.push.backoff import GONE, Failure
from omniroute_agent.doors.a2a.push.configs import PushConfig
from omniroute_agent.doors.a2a.push.policy import HookPolicy, audience
from omniroute_agent.engine.hints import MAX_HINT_SECONDS, seconds_until
from omniroute_agent.kernel.errors import InvalidRequest
from omniroute_agent.kernel.ports import Ports
from omniroute_agent.outside.addresses import BlockedAddress, Origin

SEND_SECONDS: Final = 10.0
"""From the first byte of the connection to the last one of the answer that is looked at."""
MOST_ANSWER: Final = 64 * 1024
"""Bytes of an answer that are read, and thrown away, so that the connection can be used again."""
TOKEN_SECONDS: Final = 300
"""How long a signature holds."""
TOKEN_HEADER: Final = "X-A2A-Notification-Token"  # noqa: S105 (a name)
JWT_HEADER: Final = "X-A2A-Notification-JWT"

Sign = Callable[[Mapping[str, JsonValue]], str]
"""Claims → a compact JSON Web Token."""


@dataclass(frozen=True, slots=True)
class Payload:
    body: bytes
    content_type: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    ports: Ports
    policy: HookPolicy
    sign: Sign
    issuer: str
    """How this server calls itself: its public address, or its name where it has none."""

    async def send(self, config: PushConfig, task_id: str, payload: Payload) -> Failure | None:
        """None: the hook has it."""
        try:
            origin = self.policy.admit(config.url)
        except InvalidRequest as refused:
            return Failure(refused.message, final=True)
        headers = self._headers(config, origin, task_id, payload)
        request = self.ports.http.build_request(
            "POST", config.url, content=payload.body, headers=headers, timeout=SEND_SECONDS
        )
        try:
            return await self._post(request)
        except TimeoutError:
            return Failure(f"it did not answer within {SEND_SECONDS:.0f} seconds")
        except BlockedAddress as blocked:
            return Failure(str(blocked), final=True)
        except httpx2.HTTPError as error:
            # The text of others may repeat the address, and with it what somebody hid in it.
            return Failure(f"it could not be reached ({type(error).__name__})")

    async def _post(self, request: httpx2.Request) -> Failure | None:
        until = asyncio.get_running_loop().time() + SEND_SECONDS
        async with asyncio.timeout_at(until):
            response = await self.ports.http.send(request, stream=True, follow_redirects=False)
        try:
            # The status decides. Whatever follows it is no reason to send again.
            with suppress(TimeoutError, httpx2.HTTPError):
                async with asyncio.timeout_at(until):
                    await _drain(response)
        finally:
            await response.aclose()
        if response.is_success:
            return None
        hint = seconds_until(response.headers.get("retry-after", ""), self.ports.now())
        return Failure(
            f"it answered with status {response.status_code}",
            final=response.status_code in GONE,
            retry_after=None if hint is None else min(max(hint, 0.0), MAX_HINT_SECONDS),
        )

    def _headers(self, config: PushConfig, origin: Origin, task_id: str, payload: Payload) -> dict[str, str]:
        now = int(self.ports.now().timestamp())
        token = self.sign(
            {
                "iss": self.issuer,
                "aud": audience(origin),
                "iat": now,
                "exp": now + TOKEN_SECONDS,
                "jti": self.ports.new_id(),
                "taskId": task_id,
                "request_body_sha256": sha256(payload.body).hexdigest(),
            }
        )
        headers = {"content-type": payload.content_type, "accept": "*/*"}
        if config.token:
            headers[TOKEN_HEADER] = config.token.reveal()
        if config.credentials:
            headers["authorization"] = f"{config.scheme} {config.credentials.reveal()}"
            headers[JWT_HEADER] = token
        elif config.scheme.lower() in {"", "bearer"}:
            headers["authorization"] = f"Bearer {token}"
        else:
            # A scheme without credentials is one this server has no means for; the signature is there all the same.
            headers[JWT_HEADER] = token
        return headers


async def _drain(response: httpx2.Response) -> None:
    seen = 0
    async for piece in response.aiter_raw():
        seen += len(piece)
        if seen > MOST_ANSWER:
            return
