"""The request header Idempotency-Key."""

import re

from flask import Request

from app.errors import FieldError, InvalidRequest

HEADER = "Idempotency-Key"
_KEY = re.compile(r"[!-~]{1,255}")


def idempotency_key(request: Request) -> str | None:
    """The key, if there is one. A header that was sent twice arrives as one value: another key, which does no harm."""
    key = request.headers.get(HEADER)
    if key is not None and not _KEY.fullmatch(key):
        raise InvalidRequest(errors=[FieldError(HEADER, "must be 1 to 255 visible ASCII characters")])
    return key
