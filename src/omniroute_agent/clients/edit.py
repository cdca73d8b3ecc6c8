"""One server entry in a client's file, whatever the format.

Every edit is checked before anybody writes it: read again, the new text must say exactly what the old one said, with
that one entry more or less.
"""

from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any, Final, Literal

from omniroute_agent.clients.problems import CannotEdit, NoPlace, Unreadable
from omniroute_agent.clients.values import get, same_but_for_emptiness, with_value, without

Format = Literal["json", "toml", "yaml"]

NAMES: Final[Mapping[Format, str]] = {"json": "JSON", "toml": "TOML", "yaml": "YAML"}
_BY_HAND: Final = "Nothing was changed. Edit it by hand; `--print` shows the entry."
_CUT_BY_HAND: Final = "Nothing was changed. Remove it by hand."


def read(text: str, form: Format) -> Any:
    """
    Raises:
        CannotEdit: the text is not of that format.
    """
    try:
        return _editor(form).read(text)
    except Unreadable as error:
        raise CannotEdit(f"it is not valid {NAMES[form]}: {error}", "Mend it first; nothing was changed.") from None


def put(text: str, form: Format, path: Sequence[str], value: Any) -> str:
    """
    Raises:
        CannotEdit: the text is not of that format, or written in a way that this program does not extend.
    """
    wanted = read(text, form)
    try:
        changed: str = _editor(form).put(text, path, value)
        right = _editor(form).read(changed) == with_value(wanted, path, value)
    except (NoPlace, Unreadable) as error:
        raise CannotEdit(f"it cannot be extended: {error}", _BY_HAND) from None
    if not right:
        raise CannotEdit("it cannot be extended: an edit would have changed something else", _BY_HAND)
    return changed


def drop(text: str, form: Format, path: Sequence[str]) -> str:
    """`text` without what stands at `path`.

    Raises:
        CannotEdit: the text is not of that format, or written in a way that this program does not cut.
    """
    before = read(text, form)
    if get(before, path) is None:
        return text
    try:
        changed: str = _editor(form).drop(text, path)
        right = same_but_for_emptiness(_editor(form).read(changed), without(before, path), path[:-1])
    except (NoPlace, Unreadable) as error:
        raise CannotEdit(f"the entry cannot be cut out: {error}", _CUT_BY_HAND) from None
    if not right:
        raise CannotEdit("the entry cannot be cut out: an edit would have changed something else", _CUT_BY_HAND)
    return changed


def _editor(form: Format) -> ModuleType:
    # Each is loaded for the client that needs it: the YAML parser takes as long as everything else of this command.
    if form == "json":
        from omniroute_agent.clients import json_text  # noqa: PLC0415 (lazy)

        return json_text
    if form == "toml":
        from omniroute_agent.clients import toml_text  # noqa: PLC0415 (lazy)

        return toml_text
    from omniroute_agent.clients import yaml_text  # noqa: PLC0415 (lazy)

    return yaml_text
