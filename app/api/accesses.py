"""Each request counted, timed and written down, once the last byte of its answer is out."""

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from flask import request

from app import spending
from app.api.context import Context
from app.spending import Spending, milliseconds

if TYPE_CHECKING:
    from app.tracing import RequestSpan

log = logging.getLogger(__name__)

_MOST_BYTES = 1 << 40  # more is never taken, and beyond 64 bits neither logs nor figures hold what a client announces
_PROBES = frozenset({"/health", "/ready", "/metrics"})  # asked every few seconds


@dataclass(slots=True)
class Access:
    """A request that is being served."""

    method: str
    path: str
    route: str | None
    received_bytes: int
    began: float
    spending: Spending
    span: "RequestSpan | None"


def begin(scope: Context) -> Access:
    """Count the request of this thread from now on."""
    received = min(request.content_length or 0, _MOST_BYTES)
    scope.services.metrics.request_began(received)
    route = request.url_rule.rule if request.url_rule else None
    span, spent = None, None
    if (tracing := scope.services.tracing) is not None:
        traceparent = request.environ.get("HTTP_TRACEPARENT")
        span = tracing.request_began(request.method, route, request.scheme, traceparent, received)
        spent = tracing.spent
    return Access(request.method, request.path, route, received, time.perf_counter(), spending.begin(spent), span)


def end(access: Access, scope: Context, *, answered: float, status: int, sent_bytes: int, user_id: str | None) -> None:
    """The last byte of the answer was handed to the server, or the client is gone; `answered` is when it began.

    Takes values, not the response: what is called when that is closed, and refers to it, would keep it with all its
    bytes until the garbage collector runs.
    """
    now = time.perf_counter()
    access.spending.add("sending", now - answered)
    seconds = now - access.began
    scope.services.metrics.request_ended(
        method=access.method, route=access.route, status=status, seconds=seconds, sent_bytes=sent_bytes
    )
    fields = {
        "method": access.method,
        "route": access.route,
        "user_id": user_id,
        "status": status,
        "milliseconds": milliseconds(seconds),
        "received_bytes": access.received_bytes,
        "sent_bytes": sent_bytes,
        "calls": access.spending.calls,
        "calls_milliseconds": milliseconds(access.spending.call_seconds),
    }
    log.log(logging.DEBUG if access.path in _PROBES else logging.INFO, "request", extra=fields)
    if seconds >= scope.settings.slow_request_seconds:
        log.warning("slow request", extra=fields | {"spent_milliseconds": access.spending.shares(seconds)})
    if access.span is not None:
        access.span.end(status=status, sent_bytes=sent_bytes)
