"""Reading what another server answers, such as a JSON document: bounded in time and size, strict, and never followed to
another place.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import httpx2
from pydantic import JsonValue

from omniroute_agent.kernel.ports import by_way_of
from omniroute_agent.kernel.secret import Secret
from omniroute_agent.kernel.strict_json import BadJson, decode

MAX_BODY: Final = 16 * 1_048_576
"""Bytes; the longest list that is published today has 3 MB."""
_MAX_ERROR: Final = 200
_ASIDE: Final = 65_536
"""Bytes from which decoding would be felt by whoever waits beside it."""


class CannotRead(Exception):
    """A document could not be had; the message says why in one sentence, without a secret."""


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes


async def get_json(
    http: httpx2.AsyncClient,
    url: str,
    *,
    seconds: float,
    headers: Mapping[str, str] | None = None,
    proxy: Secret | None = None,
    limit: int = MAX_BODY,
) -> JsonValue:
    """
    Raises:
        CannotRead: no answer in time, no answer of status 200, too long, or no JSON.
    """
    return await decoded(await get_bytes(http, url, seconds=seconds, headers=headers, proxy=proxy, limit=limit))


async def get_bytes(
    http: httpx2.AsyncClient,
    url: str,
    *,
    seconds: float,
    headers: Mapping[str, str] | None = None,
    proxy: Secret | None = None,
    limit: int = MAX_BODY,
) -> bytes:
    """
    Raises:
        CannotRead: as `get_json`.
    """
    answer = await request(http, "GET", url, seconds=seconds, headers=headers, proxy=proxy, limit=limit, refused=False)
    return answer.body


async def request(
    http: httpx2.AsyncClient,
    method: str,
    url: str,
    *,
    seconds: float,
    headers: Mapping[str, str] | None = None,
    form: Mapping[str, str] | None = None,
    proxy: Secret | None = None,
    limit: int = MAX_BODY,
    refused: bool = True,
) -> Answer:
    """`seconds` are for all of it, however slowly the pieces come. With `refused` what comes with another status than
    200 is an answer, too.

    Raises:
        CannotRead: no answer in time, or one that is too long or compressed.
    """
    try:
        async with asyncio.timeout(seconds):
            asked = http.build_request(
                method,
                url,
                data=form,
                headers={"accept": "application/json", "accept-encoding": "identity", **(headers or {})},
                extensions=by_way_of(proxy),
                timeout=seconds,
            )
            return await _answer(http, asked, limit, refused=refused)
    except TimeoutError:
        raise CannotRead(f"It did not answer within {seconds:g} s.") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, httpx2.StreamError, OSError) as error:
        raise CannotRead(f"It could not be reached: {str(error)[:_MAX_ERROR] or type(error).__name__}") from None
    except ValueError:
        # A header with characters that no header takes; the error would show the credential's.
        raise CannotRead("It could not be asked: the address or a header cannot be sent.") from None


async def _answer(http: httpx2.AsyncClient, asked: httpx2.Request, limit: int, *, refused: bool) -> Answer:
    response = await http.send(asked, stream=True, follow_redirects=False, auth=None)
    try:
        if response.is_redirect and not refused:
            raise CannotRead(
                f"It answered with status {response.status_code} and another address, which is not followed."
            )
        if response.status_code != httpx2.codes.OK and not refused:
            raise CannotRead(f"It answered with status {response.status_code}.")
        if response.headers.get("content-encoding", "identity") != "identity":
            # A small compressed answer could grow without end.
            raise CannotRead("It answered compressed although we asked for plain text.")
        body = bytearray()
        async for piece in response.aiter_bytes():
            body += piece
            if len(body) > limit:
                raise CannotRead(f"Its answer is longer than {limit} bytes.")
        return Answer(response.status_code, bytes(body))
    finally:
        await response.aclose()


async def decoded(body: bytes) -> JsonValue:
    """
    Raises:
        CannotRead: no JSON that we accept.
    """
    try:
        return await asyncio.to_thread(decode, body) if len(body) > _ASIDE else decode(body)
    except BadJson as error:
        raise CannotRead(f"It is not JSON that can be read: {error}.") from None
