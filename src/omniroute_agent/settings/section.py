"""What every table of the file has in common."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One table of the file: unknown names are refused, values never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True, hide_input_in_errors=True)
