"""What every answer tells browsers and caches: by default that nothing is allowed."""

from typing import TYPE_CHECKING, Any

from flask import Request, Response

from app.errors import ForeignOrigin
from app.problem_details import DEFAULT_HEADERS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse

# By the names in lower case, since names know no case and each answer is asked for all of them.
_BY_NAME = {name.lower(): (name, value) for name, value in DEFAULT_HEADERS.items()}
_ASKED = (
    "Authorization, Content-Digest, Content-Type, Idempotency-Key, If-Match, If-Modified-Since, If-None-Match, "
    "If-Range, If-Unmodified-Since, Range, Repr-Digest, X-Amz-Checksum-Sha256, X-Request-ID, X-User-ID"
)
_SHOWN = (
    "Accept-Ranges, Content-Disposition, Content-Range, ETag, Link, Location, RateLimit, RateLimit-Policy, "
    "Retry-After, X-Request-ID"
)
_PREFLIGHT_SECONDS = "600"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})  # that change nothing (RFC 9110 section 9.2.1)


def hardened(start_response: "StartResponse") -> "StartResponse":
    """Starts an answer with the default headers where it has no others of the same names.

    Outside of Flask, where headers are a list that costs little to extend.
    """

    def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
        said = {name.lower() for name, _ in headers}
        missing = [header for name, header in _BY_NAME.items() if name not in said]
        return start_response(status, headers + missing, *error)

    return start


def require_own_page(request: Request, origins: tuple[str, ...]) -> None:
    """Refuse what a page of another origin, unless that is listed, makes a browser send to change something.

    Where a gateway knows people by a cookie or a password that browsers add by themselves, any page could upload in
    their name: forms need no permission. Raises ForeignOrigin. (Fetch Metadata, https://www.w3.org/TR/fetch-metadata/)
    """
    is_foreign = request.headers.get("Sec-Fetch-Site") in {"cross-site", "same-site"}
    if is_foreign and request.method not in SAFE_METHODS and request.headers.get("Origin") not in origins:
        raise ForeignOrigin


def share(request: Request, response: Response, origins: tuple[str, ...]) -> None:
    """Let pages of these origins read the answer (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol).

    Nothing here works with cookies, so credentials are never allowed, nor is any origin that is not listed.
    """
    if not origins:
        return
    response.vary.add("Origin")
    origin = request.headers.get("Origin")
    if origin not in origins:
        return
    response.headers["Access-Control-Allow-Origin"] = origin
    response.headers["Access-Control-Expose-Headers"] = _SHOWN
    if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
        response.headers["Access-Control-Allow-Methods"] = ", ".join(sorted(response.allow))
        response.headers["Access-Control-Allow-Headers"] = _ASKED
        response.headers["Access-Control-Max-Age"] = _PREFLIGHT_SECONDS
