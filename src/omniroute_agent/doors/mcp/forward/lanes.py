"""Requests under way at the gateway: each on a thread and a connection of its own, both used again."""

import queue
import sys
import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from omniroute_agent.doors.mcp.forward.link import Link
from omniroute_agent.doors.mcp.forward.message import Message, RequestId

MOST_LANES: Final = 64
"""Requests under way at once; further ones wait for their turn."""


@dataclass(eq=False, slots=True)
class Call:
    message: Message
    headers: Mapping[str, str]
    begun: threading.Event = field(default_factory=threading.Event)
    """The gateway has it: its answer began."""
    given_up: bool = False
    link: Link | None = None


Work = Callable[[Call, Link], None]


class Lanes:
    def __init__(self, link: Callable[[], Link], work: Work) -> None:
        """`work` sends a call over a link and deals with its answer, whatever happens."""
        self._link = link
        self._work = work
        self._lock = threading.Condition()
        self._calls: dict[RequestId | None, Call] = {}
        self._waiting: deque[Call] = deque()
        self._idle: list[_Lane] = []
        self._lanes: list[_Lane] = []

    def start(self, call: Call) -> None:
        """
        Raises:
            LinkBroken: the gateway cannot be reached; nothing was sent.
        """
        with self._lock:
            lane = self._idle.pop() if self._idle else self._another()
            if lane is None:
                self._calls[call.message.id] = call
                self._waiting.append(call)
                return
        try:
            lane.link.open()
        except BaseException:
            with self._lock:
                self._idle.append(lane)
            raise
        with self._lock:
            self._calls[call.message.id] = call
            call.link = lane.link
        lane.jobs.put(call)

    def _another(self) -> "_Lane | None":
        if len(self._lanes) >= MOST_LANES:
            return None
        lane = _Lane(self._link(), self._run)
        self._lanes.append(lane)
        return lane

    def _run(self, lane: "_Lane", call: Call) -> None:
        try:
            if not call.given_up:
                self._work(call, lane.link)
        finally:
            call.begun.set()
            with self._lock:
                if self._calls.get(call.message.id) is call:
                    del self._calls[call.message.id]
                call.link = None
                if self._waiting:
                    following = self._waiting.popleft()
                    following.link = lane.link
                    lane.jobs.put(following)
                else:
                    self._idle.append(lane)
                self._lock.notify_all()

    def under_way(self, request_id: object) -> Call | None:
        with self._lock:
            return self._calls.get(request_id) if isinstance(request_id, int | str) else None

    def give_up(self, call: Call, *, cut: bool) -> None:
        """Its answer is not wanted any more; with `cut` it is not waited for either."""
        with self._lock:
            call.given_up = True
            if call in self._waiting:
                self._waiting.remove(call)
                del self._calls[call.message.id]
                call.begun.set()
            elif cut and call.link is not None:
                call.link.cut()

    def give_up_all(self, *, cut: bool) -> None:
        with self._lock:
            calls = list(self._calls.values())
        for call in calls:
            self.give_up(call, cut=cut)

    def settled(self, seconds: float) -> bool:
        """Wait until nothing is under way, at most that long."""
        with self._lock:
            return self._lock.wait_for(lambda: not self._calls, seconds)


class _Lane:
    def __init__(self, link: Link, run: "Callable[[_Lane, Call], None]") -> None:
        self.link = link
        self.jobs: queue.SimpleQueue[Call] = queue.SimpleQueue()
        self._run = run
        threading.Thread(target=self._serve, name="lane", daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                self._run(self, self.jobs.get())
            except Exception as error:  # noqa: BLE001 (a defect: without this thread the lane's next call would wait for ever)
                self.link.close()
                sys.stderr.write(f"A call through the gateway failed unexpectedly ({type(error).__name__}).\n")
