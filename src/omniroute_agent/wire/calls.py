"""Tool calls where a dialect has them whole or without ids: collecting them, and matching results to them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from omniroute_agent.kernel.chat import ToolCall, ToolCallDelta


@dataclass(slots=True)
class _Piece:
    id: str
    name: str
    arguments: list[str] = field(default_factory=list)
    proof: str | None = None


class WholeCalls:
    """Collects the pieces of calls for an encoder whose dialect writes a call at once.

    They are given in the order they began, with the proof that stood before each. A piece of a call that was given
    already is dropped: its arguments were complete.
    """

    def __init__(self) -> None:
        self._open: dict[int, _Piece] = {}
        self._given: set[int] = set()

    def add(self, piece: ToolCallDelta, proof: str | None = None) -> bool:
        """Whether the piece began a call, which then holds `proof`."""
        if piece.index in self._given:
            return False
        call = self._open.get(piece.index)
        begins = call is None
        if call is None:
            call = self._open[piece.index] = _Piece(piece.id or f"call_{piece.index}", piece.name or "", proof=proof)
        call.arguments.append(piece.arguments)
        return begins

    def take(self) -> Iterator[tuple[ToolCall, str | None]]:
        """The calls so far with their proofs."""
        taken, self._open = self._open, {}
        self._given |= taken.keys()
        for call in taken.values():
            yield ToolCall(call.id, call.name, "".join(call.arguments)), call.proof


class Unanswered:
    """Gives ids to calls that came without, and finds the call that a result without an id answers."""

    def __init__(self) -> None:
        self._count = 0
        self._open: list[tuple[str, str]] = []

    def called(self, call_id: str | None, name: str) -> str:
        call_id = call_id or f"call_{self._count}"
        self._count += 1
        self._open.append((call_id, name))
        return call_id

    def answered(self, call_id: str | None, name: str | None) -> str:
        """The id of the first open call of this id, else of this name, else of any; an id of its own when none is."""
        found = next((call for call in self._open if call[0] == call_id), None) if call_id else None
        if found is None and not call_id:
            found = next((call for call in self._open if name is None or call[1] == name), None)
        if found is not None:
            self._open.remove(found)
            return found[0]
        if call_id:
            return call_id
        self._count += 1
        return f"call_{self._count - 1}"
