"""What a view says about itself, beside its code, for the OpenAPI document."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel

from app.errors import ServiceError

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One successful answer: JSON of a model, an image's bytes, either of them, or nothing."""

    description: str
    model: type | None = None
    """A pydantic model, or a TypedDict."""
    is_json: bool = False
    """Whether it is JSON that no model describes."""
    image: bool = False
    media_types: Sequence[str] = ()
    """Of bytes that are no stored image."""
    headers: Sequence[str] = ()
    image_id_at: str | None = None
    """JSON pointer to the id of the image that was made."""
    leads_to: Sequence[str] = ()
    """The blueprints whose operations on one image go on from there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One route's contract. Request models of the application are given by name, others as they are."""

    summary: str
    answers: Mapping[int, Answer]
    query: str | type[BaseModel] | None = None
    body: str | type[BaseModel] | None = None
    reads_headers: Sequence[str] = ()
    """Request headers that matter, beside those of every request."""
    uploads: bool = False
    """Whether the body is an image, in any of the three forms."""
    creates: bool = False
    """Whether it makes something, once for each Idempotency-Key."""
    failures: Sequence[type[ServiceError]] = ()
    """What it may answer beside the failures that every identified route shares."""
    identified: bool = True


def operation(contract: Operation) -> Callable[[View], View]:
    """Attach the contract to a view."""

    def attach(view: View) -> View:
        # On the function itself, which Flask keeps as it is.
        view.operation = contract  # type: ignore[attr-defined]  # functions have no typed place for it
        return view

    return attach


def operation_of(view: Callable[..., Any]) -> Operation | None:
    contract: Operation | None = getattr(view, "operation", None)
    return contract
