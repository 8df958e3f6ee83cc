"""What every catalogue model shares."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=3)]
"""A sentence or a label that a person reads."""
Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$")]
"""A key that code and rows refer to."""
ProducerName = Annotated[str, StringConstraints(pattern=r"^[a-z_]+\.[a-z_]+$")]
"""``app.what_it_measures``: code that registers under this name measures the criterion."""


class Frozen(BaseModel):
    """Immutable, and a misspelt field is an error, not silence."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
