"""Every tool over every way in, listed and called by the official client against the real program."""

import json
from pathlib import Path
from typing import Any

import pytest

from doors.test_main_job import WAYS, Mode, structured
from loopback import loopback, says

CALLS: dict[str, dict[str, Any]] = json.loads(Path(__file__).with_name("every_tool.json").read_text("utf-8"))
"""What to call each tool with; `$REQUEST` stands for the id of the request that was routed before."""


@pytest.mark.parametrize(("connect", "mode"), WAYS)
async def test_a_client_can_list_and_call_every_tool(connect: Any, mode: Mode, tmp_path: Path) -> None:
    async with (
        loopback(says("Hello")) as provider,
        connect(tmp_path, provider.settings(), mode) as client,
    ):
        listed = [tool.name for tool in (await client.list_tools()).tools]
        assert sorted(listed) == sorted(CALLS)
        request = ""
        for name, arguments in CALLS.items():
            given = {key: request if value == "$REQUEST" else value for key, value in arguments.items()}
            answer = structured(await client.call_tool(name, given))
            request = answer.get("request_id", request)
