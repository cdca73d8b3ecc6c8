"""docs/a2a-extension.md says what the door does: every name that it reads or tells, and no other."""

import re
from pathlib import Path

import pytest

from doors.a2a.rig import at_the_door, envelope, says
from fakes import Upstream, openai_stream
from omniroute_agent.doors.a2a import codes
from omniroute_agent.doors.a2a.codes import Code
from omniroute_agent.doors.a2a.money import METHODS
from omniroute_agent.doors.a2a.skills.options import OF_THE_DOOR, Budget, Options
from omniroute_agent.doors.a2a.words import EXTENSION

PAGE = Path(__file__).parents[3] / "docs" / "a2a-extension.md"


@pytest.fixture(scope="module")
def page() -> str:
    return PAGE.read_text("utf-8")


def rows(page: str, head: str) -> set[str]:
    """What stands in backticks in the first column of the table with that head."""
    lines = page[page.index(head) :].split("\n\n", 1)[0].splitlines()[2:]
    return {name for line in lines for name in re.findall(r"`([^`]+)`", line.split("|")[1])}


def test_every_member_of_a_request_is_on_the_page(page: str) -> None:
    options = {*Options.model_fields, *OF_THE_DOOR, *(f"budget.{name}" for name in Budget.model_fields), "task"}
    assert rows(page, "| member | for | meaning |") == options
    assert EXTENSION in page


async def test_every_member_of_an_answer_is_on_the_page(page: str, tmp_path: Path) -> None:
    told = rows(page, "| member | content |")
    settings = """
    [[connections]]
    id = "one"
    provider = "custom-openai"
    base_url = "https://one.example/v1"
    key = "obviously-fake-one"
    models = ["alpha"]
    [prices."one/alpha"]
    input = "1"
    output = "2"
    [[guards]]
    name = "ask"
    limit_usd = "0.001"
    action = "ask"
    """
    async with at_the_door(tmp_path, Upstream([openai_stream("Hi.")]), settings=settings) as door:
        options = {"model": "one/alpha", "receipt": True, "data": True}
        served = (await door.ask("SendMessage", says("Hi", options={**options, "max_tokens": 10})))["task"]
        free = (await door.ask("SendMessage", says("Hi", options={"skill": "list-capabilities"})))["task"]
        parked = (await door.ask("SendMessage", says("Hi", options={**options, "max_tokens": 1000})))["task"]
        broken = (await door.ask("SendMessage", says("Hi", options={"model": "nonsense"})))["task"]
    seen = {name for task in (served, free, parked, broken) for name in envelope(task)}
    assert seen == told
    assert {each["artifactId"] for each in served["artifacts"]} == {"answer", "data", "receipt"}
    (receipt,) = [each for each in served["artifacts"] if each["artifactId"] == "receipt"]
    assert [name for name in receipt["parts"][0]["data"] if f"`{name}`" not in page and name != "tried"] == []


async def test_every_method_and_what_it_answers_is_on_the_page(page: str, tmp_path: Path) -> None:
    assert rows(page, "| method | params |") == set(METHODS)
    told = rows(page, "| member | meaning |\n")
    async with at_the_door(tmp_path) as door:
        made = await door.ask("omniroute/budgetHandles/create", {"amount_usd": "1"})
        seen = await door.ask("omniroute/budgetHandles/get", {"handle": made["handle"]})
    assert {*made, *seen} == told | {"handle", "id", "label", "created_at", "expires_at"}


def test_every_code_is_on_the_page_with_its_reason(page: str) -> None:
    table = {(int(code), reason) for code, reason in re.findall(r"^\| (-\d+) \| `([A-Z_]+)` \|", page, re.MULTILINE)}
    ours = {(code.code, code.reason) for code in vars(codes).values() if isinstance(code, Code)}
    assert table == ours - {(codes.INTERNAL.code, codes.INTERNAL.reason)}
