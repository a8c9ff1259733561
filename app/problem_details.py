"""A failure as every client is told it, whoever answers: the application, the server or the function."""

from http import HTTPStatus

import orjson

MEDIA_TYPE = "application/problem+json"

# What every answer tells browsers and caches, unless it says otherwise of itself: that nothing is allowed.
DEFAULT_HEADERS = {
    "Cache-Control": "private, no-store",  # RFC 9111 section 4.2.2: even a 404 may be cached where nothing is said
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def problem_details(status: int, code: str, detail: str, *, request_id: str, **members: object) -> bytes:
    """The body of the answer (RFC 9457), with members beside those that all have."""
    return orjson.dumps(
        {
            "type": f"urn:image-storage:problem:{code}",
            "title": HTTPStatus(status).phrase,
            "status": status,
            "detail": detail,
            "code": code,
            "request_id": request_id,
            **members,
        }
    )
