"""`explain`: the stored decision about one request, told to a person."""

from collections.abc import Iterator, Mapping
from typing import Any

from omniroute_agent.cli.house import show_tool
from omniroute_agent.cli.page import Page
from omniroute_agent.cli.receipt import cost_words, receipt_line, token_words
from omniroute_agent.cli.start import Start


def explain_request(start: Start, request_id: str, *, as_json: bool) -> int:
    return show_tool(start, "explain_route", {"request_id": request_id}, _draw, as_json=as_json)


def _draw(page: Page, decision: dict[str, Any]) -> None:
    page.line(f"Request {decision['request_id']}", "bold")
    page.line(f"  {decision['state']}, asked by {decision['caller']} through {decision['door']} at {decision['at']}")
    if decision["plan"]:
        page.line("The plan", "bold")
        draw_plan(page, decision["plan"])
    page.line("What happened", "bold")
    draw_outcome(page, decision)


def draw_plan(page: Page, plan: Mapping[str, Any]) -> None:
    """Indented, for a reader who knows which plan it is."""
    for line in _plan(plan):
        page.line(f"  {line}")


def draw_outcome(page: Page, decision: Mapping[str, Any]) -> None:
    """What was tried and how it ended, indented."""
    receipt = decision["receipt"]
    for attempt in receipt["tried"] if receipt else ():
        page.line(f"  {_attempt(attempt)}", "" if attempt["outcome"] == "answered" else "yellow")
    if receipt:
        page.line(f"  {receipt['because']}")
        page.line(f"  {receipt_line(receipt)}", "dim")
    if decision["error"]:
        page.line(f"  {decision['error']}: {decision['error_detail']}", "red")


def _plan(plan: Mapping[str, Any]) -> Iterator[str]:
    asked = plan["asked"] or "nothing in particular"
    through = f", through the combo {plan['combo']}" if plan["combo"] else ""
    why = f" ({plan['strategy_because']})" if plan["strategy_because"] else ""
    yield f"asked for {asked}{through}; strategy {plan['strategy']}{why}"
    yield f"{plan['input_tokens']} tokens in, {plan['input_tokens_source']}"
    for place, choice in enumerate(plan["choices"], 1):
        yield f"{place}. {choice['target']}: {choice['because']}; {_expected(choice)}"
    for exclusion in plan["excluded"]:
        yield f"not {exclusion['target']}: {exclusion['detail']} ({exclusion['reason']})"
    yield from plan["notes"]


def _expected(choice: Mapping[str, Any]) -> str:
    expected, worst = choice["expected_cost"], choice["worst_cost"]
    if expected is None:
        return "price unknown"
    if worst == "0":
        return "free"
    return f"about {expected} USD" + (f", at most {worst} USD" if worst is not None else "")


def _attempt(attempt: Mapping[str, Any]) -> str:
    fault = f" {attempt['fault']}" if attempt["fault"] else ""
    detail = f" ({attempt['detail']})" if attempt["detail"] else ""
    first = f", first token after {attempt['first_token_ms']} ms" if attempt["first_token_ms"] is not None else ""
    spent = f"{cost_words(attempt['cost'], attempt['cost_state'])}, {token_words(attempt['usage'])}"
    return f"{attempt['target']}: {attempt['outcome']}{fault}{detail}, {attempt['latency_ms']} ms{first}; {spent}"
