"""What every answer tells browsers and caches: by default that nothing is allowed."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import Request, Response

from app.problem_details import DEFAULT_HEADERS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_ASKED = (
    "Authorization, Content-Digest, Content-Type, Idempotency-Key, If-Match, If-Modified-Since, If-None-Match, "
    "If-Range, If-Unmodified-Since, Range, Repr-Digest, X-Amz-Checksum-Sha256, X-Request-ID, X-User-ID"
)
_SHOWN = (
    "Accept-Ranges, Content-Disposition, Content-Range, ETag, Link, Location, RateLimit, RateLimit-Policy, "
    "Retry-After, X-Request-ID"
)
_PREFLIGHT_SECONDS = "600"


class Hardened:
    """The application, with the default headers where its answers have no others of the same names.

    Outside of Flask, where they are a list that costs little to extend.
    """

    def __init__(self, application: "WSGIApplication") -> None:
        self._application = application

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            said = {name.lower() for name, _ in headers}
            missing = [header for header in DEFAULT_HEADERS.items() if header[0].lower() not in said]
            return start_response(status, headers + missing, *error)

        return self._application(environ, start)


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
