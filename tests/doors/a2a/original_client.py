"""Clients of the original's dialect, written from its documents: a script that orchestrates, a wrapper for libraries of
chains, and one with fixed types, as compiled languages have. They know nothing of this project.
"""

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

ENDED = ("completed", "failed", "cancelled")

JsonObject = dict[str, Any]


class Fault(Exception):
    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"[{code}] {message}")
        self.code = code


class Orchestrator:
    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._key = key

    def card(self) -> JsonObject:
        with urllib.request.urlopen(f"{self._url}/.well-known/agent.json", timeout=20) as answer:  # noqa: S310 (loopback)
            found: JsonObject = json.load(answer)
            return found

    def post(self, method: str, params: JsonObject) -> Any:
        body = {"jsonrpc": "2.0", "id": f"{method}-1", "method": method, "params": params}
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
        request = urllib.request.Request(f"{self._url}/a2a", json.dumps(body).encode(), headers)  # noqa: S310 (loopback)
        return urllib.request.urlopen(request, timeout=20)  # noqa: S310 (loopback)

    def call(self, method: str, params: JsonObject) -> JsonObject:
        try:
            with self.post(method, params) as answer:
                told = json.load(answer)
        except urllib.error.HTTPError as refused:
            with refused:
                told = json.load(refused)
        if "error" in told:
            raise Fault(told["error"]["code"], told["error"]["message"])
        assert told["id"] == f"{method}-1"
        result: JsonObject = told["result"]
        return result

    def send(self, skill: str, text: str, **metadata: Any) -> JsonObject:
        params: JsonObject = {"skill": skill, "messages": [{"role": "user", "content": text}]}
        return self.call("message/send", {**params, "metadata": metadata} if metadata else params)

    def stream(self, skill: str, text: str, **metadata: Any) -> Iterator[JsonObject]:
        """Like the documented reader it takes whatever one read brings for whole lines."""
        params = {"skill": skill, "messages": [{"role": "user", "content": text}], "metadata": metadata}
        with self.post("message/stream", params) as answer:
            while piece := answer.read1():
                for line in piece.decode().split("\n"):
                    if line.startswith("data: "):
                        event = json.loads(line.removeprefix("data: "))
                        assert event["method"] == "message/stream"
                        assert "id" not in event, "a notification"
                        yield event["params"]

    def task(self, task_id: str) -> JsonObject:
        found: JsonObject = self.call("tasks/get", {"taskId": task_id})["task"]
        return found

    def cancel(self, task_id: str) -> JsonObject:
        found: JsonObject = self.call("tasks/cancel", {"taskId": task_id})["task"]
        return found

    def poll(self, task_id: str, *, times: int, wait: Callable[[], None]) -> JsonObject:
        """Ask until it is over; after so many times cancel it."""
        for _ in range(times):
            task = self.task(task_id)
            if task["state"] in ENDED:
                return task
            wait()
        return self.cancel(task_id)


class PromptModel:
    """A prompt in, text out: what libraries of chains ask of a model."""

    def __init__(self, client: Orchestrator, model: str = "auto", combo: str | None = None) -> None:
        self._client = client
        self._options = {"model": model, **({"combo": combo} if combo else {})}

    def invoke(self, prompt: str) -> str:
        text = self._client.send("smart-routing", prompt, **self._options)["artifacts"][0]["content"]
        assert isinstance(text, str)
        return text

    def generate(self, prompts: list[str]) -> list[str]:
        return [self.invoke(prompt) for prompt in prompts]


@dataclass(frozen=True)
class Cost:
    estimated: float
    actual: float
    currency: str


@dataclass(frozen=True)
class Answer:
    task_id: str
    state: str
    content: str
    explanation: str
    cost: Cost
    events: tuple[str, ...]
    allowed: bool


def typed(result: JsonObject) -> Answer:
    """Decoded as with fixed types: a member of another type is an error, members nobody named are skipped."""
    metadata = result["metadata"]
    cost, verdict = metadata["cost_envelope"], metadata["policy_verdict"]
    return Answer(
        task_id=_text(result["task"]["id"]),
        state=_text(result["task"]["state"]),
        content="".join(_text(artifact["content"]) for artifact in result["artifacts"] if artifact["type"] == "text"),
        explanation=_text(metadata["routing_explanation"]),
        cost=Cost(_number(cost["estimated"]), _number(cost["actual"]), _text(cost["currency"])),
        events=tuple(
            _text(event["event"])
            for event in metadata["resilience_trace"]
            if _text(event["provider"]) and _text(event["timestamp"])
        ),
        allowed=_flag(verdict["allowed"]) and bool(_text(verdict["reason"])),
    )


def _text(value: Any) -> str:
    assert isinstance(value, str), value
    return value


def _number(value: Any) -> float:
    assert isinstance(value, float | int), value
    assert not isinstance(value, bool)
    return float(value)


def _flag(value: Any) -> bool:
    assert isinstance(value, bool), value
    return value
