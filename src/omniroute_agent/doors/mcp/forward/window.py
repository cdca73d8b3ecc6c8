"""The client's lines to the gateway and the gateway's messages back, until the client leaves.

The gateway answers, and in the same words as a server in this process would: what no era's rule sends elsewhere is
passed on as it is. Three things are this room's own. Like the server on stdio it lets a probe with `server/discover`
decide nothing (see `probe.py`); a cancelled request is not answered; and a gateway that ends is told to those who
wait, while the next line goes to a server in this process.
"""

import signal
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import Final

from omniroute_agent.doors.mcp.forward.handover import Handover
from omniroute_agent.doors.mcp.forward.lanes import Call, Lanes
from omniroute_agent.doors.mcp.forward.lines import (
    MAX_LINE,
    STDIN,
    STDOUT,
    ClientLeft,
    Interrupted,
    LinesIn,
    LinesOut,
    TooLong,
    blocking,
)
from omniroute_agent.doors.mcp.forward.link import Answer, Link, LinkBroken, Told
from omniroute_agent.doors.mcp.forward.message import (
    GONE,
    INVALID_PARAMS,
    INVALID_REQUEST,
    MODERN_VERSION,
    PARSE_ERROR,
    PROBE,
    UNSUPPORTED_VERSION,
    Message,
    RequestId,
    error,
    for_request,
    of_the_gate,
    read,
    result,
)
from omniroute_agent.kernel.secret import Secret

DOOR_HEADER: Final = "X-Omniroute-Door"

_BEGIN_SECONDS: Final = 2.0
"""How long a cancellation waits for its request to be under way."""
_GOODBYE_SECONDS: Final = 1.0
_DRAIN_SECONDS: Final = 15.0
"""What runs at a gateway that is stopping gets so long before another server takes over; gateways give it less."""
_LASTING: Final = frozenset(("resources/subscribe", "logging/setLevel"))
"""Requests of the handshake era whose effect lasts as long as the connection, beside the handshake."""
_UNDOES: Final = {"resources/unsubscribe": "resources/subscribe"}
_TURNED_AWAY: Final = frozenset((401, 403, 421))
"""The gateway lets this window not in (its key has changed, say), and does nothing of what it was asked."""
_FULL: Final = frozenset((429, 503))
"""It lets nobody in just now: reason enough to begin elsewhere, and none to leave."""
_SHUT_OUT: Final = "The gateway lets this window in no more"
_ENDED: Final = "The gateway ended before it answered. What was asked may have been done: look before you ask again."


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    host: str
    port: int
    key: Secret
    session: str
    """Under which the gateway counts what this window does."""
    door: str

    def link(self) -> Link:
        headers = {
            "Authorization": f"Bearer {self.key.reveal()}",
            "X-Session-Id": self.session,
            DOOR_HEADER: self.door,
        }
        return Link(self.host, self.port, headers)


class _TurnedAway(LinkBroken):
    """The gateway lets this window in no more; nothing was done."""


class _Stopped(BaseException):
    """SIGTERM or SIGINT arrived."""


def serve_window(address: Address, fd_in: int = STDIN, fd_out: int = STDOUT) -> Handover | None:
    """Forward until the client leaves or a stop signal arrives; not None when the gateway ended before that."""
    with blocking(fd_in, fd_out):
        window = _Window(address, LinesIn(fd_in, fd_out), LinesOut(fd_out))
        try:
            with _stopped_by_signals():
                return window.serve()
        except (_Stopped, ClientLeft):
            return None
        finally:
            window.leave()


@contextmanager
def _stopped_by_signals() -> Generator[None, None, None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise _Stopped

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Window:
    def __init__(self, address: Address, lines: LinesIn, out: LinesOut) -> None:
        self._address = address
        self._lines = lines
        self._out = out
        self._own = address.link()
        """For what is answered at once and in its turn."""
        self._lanes = Lanes(address.link, self._answer)
        self._modern: bool | None = None
        """None until the client's first request decides; a probe is none."""
        self._session: dict[str, str] = {}
        """Headers of the session that the handshake opened."""
        self._said: dict[tuple[str, str], Message] = {}
        """What lasts, by method and the resource it is about."""
        self._listening: Link | None = None
        self._gone = threading.Event()
        self._turned_away: list[Message] = []
        """Requests that the gateway did not let in: for the next server."""

    def serve(self) -> Handover | None:
        while True:
            try:
                line = self._lines.next()
            except Interrupted:
                return self._hand_over(why=_SHUT_OUT)
            except TooLong:
                text = f"Parse error: the message is longer than {MAX_LINE // 1024 // 1024} MiB."
                self._out.write(error(None, PARSE_ERROR, text))
                continue
            if line is None:
                return None
            if not line or line.isspace():
                continue
            if self._gone.is_set():
                return self._hand_over(line)
            try:
                self._take(line)
            except _TurnedAway:
                return self._hand_over(line, why=_SHUT_OUT)
            except LinkBroken:
                return self._hand_over(line)

    def _take(self, line: bytes) -> None:
        """
        Raises:
            LinkBroken: the gateway cannot be reached, and nobody has dealt with this line.
        """
        message = read(line)
        match message:
            case None:
                self._pass_on(line, None, self._session)
            case Message(kind="request"):
                self._request(message)
            case Message(kind="notification", method="notifications/cancelled"):
                self._cancel(message)
            case _ if not self._modern:  # since 2026-07-28 a client has nothing else to say
                self._tell(message)

    def _request(self, message: Message) -> None:
        if self._modern is None and message.method != PROBE:
            self._modern = message.enveloped and message.method != "initialize"
        if self._modern is None:
            # A probe is answered in its turn: a handshake behind it, and then the end, must not overtake it.
            self._pass_on(message.line, message.id, message.modern_headers())
        elif self._modern:
            if message.method == "initialize":
                self._refuse_handshake(message)
            elif (refusal := message.beyond_headers()) is not None:
                self._out.write(error(message.id, *refusal))
            else:
                self._lanes.start(Call(message, message.modern_headers()))
        elif message.method == "initialize":
            self._shake_hands(message)
        elif message.enveloped:
            text = (
                "this connection serves the handshake protocol era; "
                "requests carrying the 2026-07-28 envelope are not accepted on it"
            )
            self._out.write(error(message.id, INVALID_REQUEST, text))
        elif self._session:
            self._remember(message)
            self._lanes.start(Call(message, self._session))
        elif message.method == "ping":
            self._out.write(result(message.id, {}))
        else:
            self._out.write(error(message.id, INVALID_PARAMS, "Invalid request parameters", ""))

    def _refuse_handshake(self, message: Message) -> None:
        data = {"supported": [MODERN_VERSION], "requested": str(message.params.get("protocolVersion", ""))}
        text = "connection is serving the 2026-07-28 protocol; the initialize handshake is not accepted"
        self._out.write(error(message.id, UNSUPPORTED_VERSION, text, data))

    def _shake_hands(self, message: Message) -> None:
        self._pass_on(message.line, message.id, self._session, opening=True)
        self._said = {(message.method, ""): message}

    def _remember(self, message: Message) -> None:
        about = (_UNDOES.get(message.method, message.method), str(message.params.get("uri", "")))
        if message.method in _UNDOES:
            self._said.pop(about, None)
        elif message.method in _LASTING:
            self._said[about] = message

    def _tell(self, message: Message) -> None:
        """A notification or an answer of a client of the handshake era; what comes after it finds it received."""
        if not self._session:
            return
        self._pass_on(message.line, None, self._session)
        if message.method == "notifications/initialized":
            self._said[message.method, ""] = message
            self._listen()

    def _pass_on(
        self, line: bytes, request_id: RequestId | None, headers: dict[str, str], *, opening: bool = False
    ) -> None:
        """Send one line and deal with its answer before anything else.

        Raises:
            LinkBroken: the gateway cannot be reached, or did not let the line in.
        """
        self._own.open()
        answer = self._own.ask("POST", line, headers)
        if opening and answer.status in _FULL:
            raise _TurnedAway(f"status {answer.status}")
        for message in _let_in(answer):
            told, _ = for_request(message, request_id)
            self._out.write(told)
        if answer.session and not self._session:
            self._session = {"Mcp-Session-Id": answer.session}

    def _listen(self) -> None:
        """Open the stream on which the server speaks unasked; what it says from now on is heard."""
        if self._listening is not None:
            return
        link = self._listening = self._address.link()
        link.open()
        answer = link.ask("GET", None, self._session)

        def hear() -> None:
            with suppress(LinkBroken, ClientLeft):
                for message in _let_in(answer):
                    self._out.write(message.line)
            if answer.status == 200:  # noqa: PLR2004 (OK: it was open)
                self._gone.set()

        threading.Thread(target=hear, name="listening", daemon=True).start()

    def _cancel(self, message: Message) -> None:
        call = self._lanes.under_way(message.params.get("requestId"))
        if call is None:
            return
        if self._modern:
            self._lanes.give_up(call, cut=True)
        else:
            self._lanes.give_up(call, cut=False)
            # The gateway would not know yet what is cancelled.
            call.begun.wait(_BEGIN_SECONDS)
            self._tell(message)

    def _answer(self, call: Call, link: Link) -> None:
        """A lane's work: send a request and pass on what comes back, the answer last."""
        answered = False
        try:
            link.open()
            answer = link.ask("POST", call.message.line, call.headers)
            call.begun.set()
            for message in _let_in(answer):
                told, answers = for_request(message, call.message.id)
                answered |= answers
                if not call.given_up:
                    self._out.write(told)
        except _TurnedAway:
            link.close()
            answered = self._leave_to_next(call)
        except (LinkBroken, ClientLeft):
            link.close()
        finally:
            if not (answered or call.given_up):
                with suppress(ClientLeft):
                    self._out.write(error(call.message.id, GONE, _ENDED, {"code": "gateway_ended"}))

    def _leave_to_next(self, call: Call) -> bool:
        """Whether the next server will answer it."""
        self._gone.set()
        if not self._lines.interrupt():
            return False
        if not call.given_up:
            self._turned_away.append(call.message)
        return True

    def _hand_over(self, line: bytes | None = None, *, why: str = "The gateway ended") -> Handover:
        self._lanes.settled(_DRAIN_SECONDS)
        undone = [each.line for each in self._turned_away] + ([] if line is None else [line])
        return Handover(
            said=tuple(each.line for each in self._said.values()),
            answered=frozenset(each.id for each in self._said.values() if each.id is not None),
            unread=b"".join(each + b"\n" for each in undone) + self._lines.rest(),
            why=why,
        )

    def leave(self) -> None:
        """The client is gone, or another server goes on: end what runs, and the session."""
        self._lanes.give_up_all(cut=bool(self._modern))
        if not self._session or self._gone.is_set():
            return
        with suppress(LinkBroken):
            self._own.open()
            self._own.within(_GOODBYE_SECONDS)
            for _ in self._own.ask("DELETE", None, self._session).messages():
                pass


def _let_in(answer: Answer) -> Iterator[Told]:
    """
    Raises:
        LinkBroken: as the answer says it; also when the window was not let in.
    """
    for told in answer.messages():
        if answer.status in _TURNED_AWAY and of_the_gate(told.value):
            raise _TurnedAway(f"status {answer.status}")
        yield told
