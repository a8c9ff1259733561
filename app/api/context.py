"""What a view needs from its application, with types."""

from dataclasses import dataclass

from flask import current_app

from app.api.identity import Identity
from app.api.rates import RateLimits
from app.api.request_models import RequestModels
from app.services import Services
from app.settings import Settings

EXTENSION = "image-storage"


@dataclass(frozen=True, slots=True)
class Context:
    settings: Settings
    services: Services
    models: RequestModels
    identity: Identity
    rates: RateLimits
    default_spec_name: str
    """Of the variant that `thumbnail_url` leads to."""


def context() -> Context:
    found: Context = current_app.extensions[EXTENSION]
    return found
