"""Names in arguments. Their bounds are checked here and not told in the schema, where nobody reads them."""

from typing import Annotated, Final

from pydantic import AfterValidator

_LONGEST: Final = 200
"""Characters; longer than any name of a provider or a model."""


def _bounded(name: str) -> str:
    if not name.strip() or len(name) > _LONGEST:
        raise ValueError(f"give 1 to {_LONGEST} characters")
    return name.strip()


Name = Annotated[str, AfterValidator(_bounded)]
