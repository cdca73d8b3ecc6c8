"""Whose proof a reasoning block carries.

Providers sign or seal the reasoning they want back (Anthropic's signature, Gemini's thought signature, OpenAI's
encrypted content) and refuse what another one signed. A chat may change providers between two turns, so each proof says
who gave it: `gemini:…`, `openai-responses:…`. Anthropic's stay bare; they are base64 and hold no colon.

To a caller a proof is opaque. `passed_on` makes one text of a proof and of sealed thinking, for dialects that have one
field for both, and `taken_back` reads that text again.
"""

import re
from typing import Final

_BARE: Final = "anthropic-messages"
_SEALED: Final = "anthropic-sealed"
_MARK: Final = re.compile(r"(gemini|openai-responses|anthropic-messages|anthropic-sealed):")


def proof_by(dialect: str, value: str) -> str:
    return value if dialect == _BARE else f"{dialect}:{value}"


def own_proof(dialect: str, signature: str | None) -> str | None:
    """The proof as this dialect's provider gave it; None when there is none or another gave it."""
    if not signature:
        return None
    mark = _MARK.match(signature)
    if mark is None:
        return signature if dialect == _BARE else None
    return signature[mark.end() :] if mark[1] == dialect else None


def passed_on(signature: str | None, redacted: str | None) -> str | None:
    """Signature or sealed thinking as one text that says whose it is."""
    if redacted is not None:
        return f"{_SEALED}:{redacted}"
    if not signature or _MARK.match(signature):
        return signature or None
    return f"{_BARE}:{signature}"


def taken_back(text: str) -> tuple[str | None, str | None] | None:
    """Signature and sealed thinking of a text that was passed on; None when the text is nobody's known to us."""
    mark = _MARK.match(text)
    if mark is None:
        return None
    if mark[1] == _SEALED:
        return None, text[mark.end() :]
    return (text[mark.end() :] if mark[1] == _BARE else text), None
