"""Addresses with blanks: parts that differ by account, filled by the owner or from the environment."""

import re
from collections.abc import Mapping
from typing import Final

from omniroute_agent.kernel.secret import Secret
from omniroute_agent.providers.model import Blank, Provider

_FILLING: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,198}[A-Za-z0-9])?")
"""Ids, regions and host names; nothing that could end the host or the path it stands in."""


def empty_blanks(provider: Provider, values: Mapping[str, str]) -> tuple[Blank, ...]:
    return tuple(blank for blank in provider.blanks if not values.get(blank.name))


def filled(provider: Provider, values: Mapping[str, str]) -> str:
    """The provider's address with its blanks filled.

    Raises:
        ValueError: a blank is left, a name is none of them, or a value is no part of an address. As a sentence.
    """
    names = [blank.name for blank in provider.blanks]
    for name in values:
        if name not in names:
            known = ", ".join(names) if names else "none"
            raise ValueError(f"{provider.title} has no `{name}` in its address; what it has: {known}")
    if left := empty_blanks(provider, values):
        raise ValueError(f"{provider.title} needs {wanted(left)}")
    for name, value in values.items():
        if not _FILLING.fullmatch(value):
            raise ValueError(f"`{name}` may have letters, digits, dots, dashes and underscores only")
    return provider.base_url.format_map(values)


def wanted(blanks: tuple[Blank, ...]) -> str:
    """What is to be filled in, for a sentence: `region` (the AWS region) and `project` (…)."""
    return " and ".join(f"`{blank.name}` ({blank.means})" for blank in blanks)


def from_environment(provider: Provider, environment: Mapping[str, Secret]) -> dict[str, str]:
    """The blanks that variables fill."""
    found = {
        blank.name: next((environment[name].reveal() for name in blank.env if environment.get(name)), "")
        for blank in provider.blanks
    }
    return {name: value for name, value in found.items() if value}


def own_address(provider: Provider, base_url: str) -> str:
    """An address an owner wrote, as the provider's dialect takes it."""
    address = base_url.rstrip("/")
    return address.removesuffix(provider.other_door) if provider.other_door else address
