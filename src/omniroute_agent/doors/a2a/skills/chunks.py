"""Text cut into pieces that can be sent: at a paragraph's end, or a moment after its first token.

Some clients join pieces with a blank, others as they come. So a piece ends where a word ends, and the white space that
follows opens the next piece: a blank in between stands at the end of a line then, where it harms not even code.
"""

import re
from typing import Final

WAIT_SECONDS: Final = 0.25
"""How long text that ends no paragraph is held back, from its first token on."""

_PARAGRAPH: Final = 2
"""Line ends in one run of white space."""

_ENDS: Final = re.compile(r"(?P<space>[^\S\u00a0\u2007\u202f]+)|[、。，．！？；：」』）】]+")  # noqa: RUF001 (what ends words where no blank does)
"""White space that may be broken, and what ends a word in scripts that write without blanks."""


class Chunks:
    """Takes text as it comes and gives it back in pieces whose concatenation is the whole. Times are in seconds."""

    def __init__(self, wait: float = WAIT_SECONDS) -> None:
        self._wait = wait
        self._pieces: list[str] = []
        self._length = 0
        self._since: float | None = None
        """When the first token that is held came; None: nothing but white space is held."""
        self._word_end = 0
        self._paragraph_end = 0
        """Offsets in what is held at which it may be cut; 0: nowhere yet."""
        self._space_from: int | None = None
        """Where the white space begins that the held text ends with."""
        self._lines = 0
        """Line ends in it."""

    @property
    def due_at(self) -> float | None:
        """When what is held has waited long enough; None: nothing waits, or no word of it is whole."""
        return self._since + self._wait if self._since is not None and self._word_end else None

    def add(self, text: str, now: float) -> str:
        """What can be sent now, "" for nothing."""
        if not text:
            return ""
        self._find_ends(text)
        self._pieces.append(text)
        self._length += len(text)
        if self._since is None and not text.isspace():
            self._since = now
        return self._cut(self._paragraph_end, now) if self._paragraph_end else self.due(now)

    def due(self, now: float) -> str:
        """What has waited long enough, up to the end of its last whole word."""
        due_at = self.due_at
        return self._cut(self._word_end, now) if due_at is not None and now >= due_at else ""

    def rest(self) -> str:
        """All that is left."""
        left = "".join(self._pieces)
        self.clear()
        return left

    def clear(self) -> None:
        """Forget what is held."""
        self._keep("", None)
        self._space_from, self._lines = None, 0

    def _cut(self, end: int, now: float) -> str:
        held = "".join(self._pieces)
        left = held[end:]
        self._word_end = max(self._word_end - end, 0)
        if self._space_from is not None:
            self._space_from -= end
        self._keep(left, now if left.strip() else None)
        return held[:end]

    def _keep(self, left: str, since: float | None) -> None:
        self._pieces, self._length, self._since = [left] if left else [], len(left), since
        self._paragraph_end = 0
        if since is None:
            self._word_end = 0

    def _find_ends(self, text: str) -> None:
        """Looks at new text only, so that the whole takes linear time."""
        goes_on = self._space_from is not None
        last = 0
        for found in _ENDS.finditer(text):
            space = found["space"]
            if space is None:
                self._word_end = self._length + found.end()
                continue
            last = found.end()
            if found.start() == 0 and goes_on:
                self._lines += space.count("\n")
            else:
                self._space_from, self._lines = self._length + found.start(), space.count("\n")
            if self._space_from:
                self._word_end = max(self._word_end, self._space_from)
                if self._lines >= _PARAGRAPH:
                    self._paragraph_end = self._space_from
        if last < len(text):
            self._space_from = None
