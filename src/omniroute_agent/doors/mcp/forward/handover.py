"""What a window that has no gateway any more hands to the server that goes on in its place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Handover:
    said: tuple[bytes, ...] = ()
    """Lines of the client that the gateway answered and that the next server must know: the handshake."""
    answered: frozenset[int | str] = frozenset()
    """Ids of the requests among them: the client has their answers."""
    unread: bytes = b""
    """What the client wrote and nobody has dealt with yet."""
    why: str = "The gateway ended"

    def first_bytes(self) -> bytes:
        return b"".join(line + b"\n" for line in self.said) + self.unread
