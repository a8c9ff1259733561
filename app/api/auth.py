"""Who is calling, of the request being served."""

from flask import g, request

from app.api.context import context


def identify() -> None:
    """Before each request of an identified route: find out who calls.

    What methods there are may be asked by anybody, as browsers do before a request to another origin.
    """
    if request.method != "OPTIONS":
        g.user_id = context().identity.user_of(request.headers)


def caller() -> str:
    user_id: str = g.user_id
    return user_id
