"""Failures as HTTP answers: one table, one format (problem+json, RFC 9457)."""

import logging
from dataclasses import dataclass
from http import HTTPStatus

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException

from app import errors
from app.api.context import context
from app.api.rates import client_address
from app.logs import audit_trail
from app.problem_details import MEDIA_TYPE, problem_details

log = logging.getLogger(__name__)

RETRY_AFTER_SECONDS = 2


@dataclass(frozen=True, slots=True)
class Kind:
    """How one kind of failure is told: its HTTP status and its code."""

    status: int
    code: str


INTERNAL_ERROR = Kind(500, "internal_error")

_STATUSES: dict[type[errors.ServiceError], int] = {
    errors.InvalidRequest: 400,
    errors.InvalidUser: 400,
    errors.InvalidCursor: 400,
    errors.IncompleteBody: 400,
    errors.ChecksumMismatch: 400,
    errors.MissingUser: 401,
    errors.InvalidToken: 401,
    errors.NotOwner: 403,
    errors.ForeignOrigin: 403,
    errors.InvalidLink: 403,
    errors.ImageNotFound: 404,
    errors.IdempotencyConflict: 409,
    errors.RequestInProgress: 409,
    errors.UploadNotPending: 409,
    errors.UploadRejected: 409,
    errors.UploadExpired: 410,
    errors.LengthRequired: 411,
    errors.PreconditionFailed: 412,
    errors.ImageTooLarge: 413,
    errors.UnsupportedImageType: 415,
    errors.RangeNotSatisfiable: 416,
    errors.InvalidImage: 422,
    errors.RateLimited: 429,
    errors.QuotaExceeded: 429,
    errors.BackendUnavailable: 503,
    errors.Overloaded: 503,
    errors.NotReady: 503,
}
KINDS = {failure: Kind(status, failure.code) for failure, status in _STATUSES.items()}

_REFUSALS = frozenset({401, 403, 429})

# What Flask and Werkzeug raise by themselves.
_FRAMEWORK_CODES = {404: "not_found", 405: "method_not_allowed", 413: "image_too_large", 500: "internal_error"}


def register(app: Flask) -> None:
    app.register_error_handler(errors.ServiceError, _service_error)
    app.register_error_handler(HTTPException, _framework_error)
    app.register_error_handler(Exception, _unexpected_error)


def _service_error(error: errors.ServiceError) -> Response:
    kind = KINDS[type(error)]
    if kind.status in _REFUSALS:
        _note_refusal(kind)
    response = _problem(kind, str(error), **_members(error))
    match error:
        case errors.BackendUnavailable():
            if error.contended:
                log.info("others were changing the same image", extra={"store": error.store})
            else:
                log.error("store unavailable", extra={"store": error.store, "cause": error.cause})
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        case errors.RateLimited():
            response.headers["Retry-After"] = str(error.retry_after_seconds)
        case errors.RequestInProgress() | errors.Overloaded() | errors.NotReady():
            response.headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
        case errors.RangeNotSatisfiable():
            response.headers["Content-Range"] = f"bytes */{error.complete_length}"
        case errors.MissingUser():
            # RFC 9110 section 15.5.2 wants a challenge with every 401.
            response.headers["WWW-Authenticate"] = context().identity.challenge
        case errors.InvalidToken():
            response.headers["WWW-Authenticate"] = 'Bearer error="invalid_token"'
    return response


def _note_refusal(kind: Kind) -> None:
    scope = context()
    audit_trail.info(
        "access refused",
        extra={
            "user_id": g.get("user_id"),
            "address": client_address(request, trusts_proxy=scope.settings.trusted_proxy),
            "method": request.method,
            "route": request.url_rule.rule if request.url_rule else None,
            "image_id": (request.view_args or {}).get("image_id"),
            "code": kind.code,
        },
    )


def _framework_error(error: HTTPException) -> Response:
    status = error.code or 500
    kind = Kind(status, _FRAMEWORK_CODES.get(status, "invalid_request"))
    response = _problem(kind, error.description or HTTPStatus(status).description)
    for name, value in error.get_headers():
        if name not in {"Content-Type", "Content-Length"}:
            response.headers[name] = value
    return response


def _unexpected_error(error: Exception) -> Response:
    log.error("unexpected failure", exc_info=error)
    return _problem(INTERNAL_ERROR, "Something went wrong here. The request_id helps to find out what.")


def _members(error: errors.ServiceError) -> dict[str, object]:
    """What some failures tell beside what all do."""
    match error:
        case errors.InvalidRequest(errors=fields) if fields:
            return {"errors": [{"field": item.field, "message": item.message} for item in fields]}
        case errors.NotReady(checks=checks):
            return {"checks": checks}
    return {}


def _problem(kind: Kind, detail: str, **members: object) -> Response:
    body = problem_details(kind.status, kind.code, detail, request_id=g.request_id, **members)
    return Response(body, kind.status, mimetype=MEDIA_TYPE)
