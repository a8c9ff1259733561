"""Who is calling, of the request being served."""

from collections.abc import Sequence

from flask import g, request

from app.api.context import context
from app.api.hardening import require_own_page
from app.api.rates import Standing
from app.errors import RateLimited


def identify() -> None:
    """Before each request of an identified route: find out who calls, and whether too often.

    Raises RateLimited, or ForeignOrigin.

    What methods there are may be asked by anybody, as browsers do before a request to another origin.
    """
    if request.method == "OPTIONS":
        return
    scope = context()
    # The address first: whoever sends tokens that do not count is counted too.
    _note(scope.rates.count_address(request))
    require_own_page(request, scope.settings.api_cors_origins)
    g.user_id = user_id = scope.identity.user_of(request.headers)
    _note(scope.rates.count_user(user_id))


def standings() -> Sequence[Standing]:
    """What is left to the caller of each limit, as far as the request got."""
    found: list[Standing] = g.get("standings", [])
    return found


def _note(standing: Standing | None) -> None:
    """Keep it for the answer, which may be that it was one request too many. Raises RateLimited."""
    if standing is None:
        return
    g.standings = [*standings(), standing]
    if not standing.passed:
        raise RateLimited(standing.reset_seconds)


def caller() -> str:
    user_id: str = g.user_id
    return user_id
