"""What a child process inherits: an allow-list, so that no key reaches it by accident."""

import fnmatch
from collections.abc import Mapping
from typing import Final

_PLAIN: Final = (
    "PATH",
    "HOME",
    "LANG",
    "LC_*",
    "TMPDIR",
    "TEMP",
    "TMP",
    "LD_LIBRARY_PATH",
    "DYLD_LIBRARY_PATH",
    "OMP_*",
    "PYTHONPATH",
    "SYSTEMROOT",
    "VIRTUAL_ENV",
)
_DOWNLOAD: Final = (
    *_PLAIN,
    "PIP_*",
    "UV_*",
    "SSL_*",
    "*_PROXY",
    "REQUESTS_CA_BUNDLE",
    "NETRC",
    "XDG_*",
    "APPDATA",
    "LOCALAPPDATA",
    "PROGRAMDATA",
    "USERPROFILE",
)
"""An installer finds its index, its certificates and its proxy through these; an index address may hold a password."""


def for_model(environment: Mapping[str, str]) -> dict[str, str]:
    """The part the model server may see."""
    return _narrowed(environment, _PLAIN)


def for_download(environment: Mapping[str, str]) -> dict[str, str]:
    """The part an installer may see."""
    return _narrowed(environment, _DOWNLOAD)


def _narrowed(environment: Mapping[str, str], patterns: tuple[str, ...]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if any(fnmatch.fnmatchcase(name.upper(), pattern) for pattern in patterns)
    }
