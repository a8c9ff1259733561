"""Who is calling."""

from flask import g, request

from app.errors import InvalidUser, MissingUser
from app.models import is_user_id

USER_HEADER = "X-User-ID"


def identify() -> None:
    """Before each request: take the caller from the header, which a gateway in front has set.

    A header sent twice arrives joined by a comma, which no user id holds. What methods there are may be asked
    by anybody, as browsers do before a request to another origin.
    """
    if request.method == "OPTIONS":
        return
    user_id = request.headers.get(USER_HEADER)
    if user_id is None:
        raise MissingUser
    if not is_user_id(user_id):
        raise InvalidUser
    g.user_id = user_id


def caller() -> str:
    user_id: str = g.user_id
    return user_id
