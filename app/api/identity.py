"""How a request says who is calling: a header that a gateway sets, or a signed token. Deny by default.

docs/adr/0014-identity.md has the reasons.
"""

from collections.abc import Mapping
from typing import Protocol

from werkzeug.datastructures import Headers

from app.errors import InvalidUser, MissingUser, ServiceError
from app.keys import is_user_id
from app.settings import Settings

USER_HEADER = "X-User-ID"


class Identity(Protocol):
    """One way in which requests say who is calling."""

    challenge: str
    """What WWW-Authenticate says where nobody is named."""
    scheme: Mapping[str, str]
    """Its security scheme in OpenAPI."""
    failure: type[ServiceError]
    """What a name that does not count is refused with."""

    def user_of(self, headers: Headers) -> str:
        """The caller. Raises MissingUser, or `failure`."""


class HeaderIdentity:
    """The user is who the header says, which is worth as much as the gateway that sets it."""

    challenge = USER_HEADER
    scheme: Mapping[str, str] = {"type": "apiKey", "in": "header", "name": USER_HEADER}
    failure: type[ServiceError] = InvalidUser

    def user_of(self, headers: Headers) -> str:
        """A header sent twice arrives joined by a comma, which no user id holds."""
        user_id = headers.get(USER_HEADER)
        if user_id is None:
            raise MissingUser
        if not is_user_id(user_id):
            raise InvalidUser
        return user_id


def identity_for(settings: Settings) -> Identity:
    """The way that is configured. Makes no connection. Raises SettingsError."""
    if settings.auth_mode == "header":
        return HeaderIdentity()
    from app.api.tokens import bearer_identity  # noqa: PLC0415 - cryptography is slow to load

    return bearer_identity(settings)
