"""For AWS Lambda: `app.entrypoints.lambda_handler.api`, `.s3_events` and `.sweep`.

Each function of a deployment names one of the three. The runtime asks this module for it while it
initialises, and only then is loaded what that one needs: the API no worker, the others no Flask.
Whatever is made then (clients, their connections) serves all requests of the execution environment
(AWS Lambda Developer Guide, "Understanding the Lambda execution environment lifecycle").
"""

import base64
import binascii
import functools
import logging
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any
from urllib.parse import quote
from uuid import uuid4

from app import logs
from app.entrypoints.environment import settings_from_environment
from app.entrypoints.messages import handled
from app.errors import BackendUnavailable
from app.problem_details import DEFAULT_HEADERS, MEDIA_TYPE, problem_details
from app.services import Services, build_services
from app.services.queue import Message
from app.settings import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Event = dict[str, Any]
Handler = Callable[[Any, object], Event]

log = logging.getLogger(__name__)

_NOT_ASCII = re.compile(r"[^\x00-\x7f]+")


def __getattr__(name: str) -> Handler:
    makers = {"api": _own_api, "s3_events": _own_s3_events, "sweep": _own_sweep}
    if name not in makers:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return makers[name]()


def make_api(settings: Settings, services: Services | None = None) -> Handler:
    """Answers events of API Gateway (REST and HTTP APIs), of function URLs and of load balancers."""
    from apig_wsgi import make_lambda_handler  # noqa: PLC0415 - the other functions do without it, and without Flask

    from app.api import create_app  # noqa: PLC0415 - as above

    answer = make_lambda_handler(_behind_its_gateway(create_app(settings, services).wsgi_app), binary_support=True)

    def api(event: Any, context: object) -> Event:
        if (refusal := _why_refused(event)) is not None:
            return _problem(400, "invalid_request", refusal)
        try:
            return answer(_with_plain_headers(_with_quoted_path(event)), context)
        except BackendUnavailable as error:  # while the body of an answer was read from its store
            log.exception("answer broken off", extra={"store": error.store})
            return _problem(503, error.code, str(error), {"Retry-After": "2"})
        except Exception:  # the last one who can answer: what passes here is a 502 without a word
            log.exception("unexpected failure")
            return _problem(500, "internal_error", "Something went wrong here.")

    return api


def make_s3_events(handle: Callable[[str], None], keep: Callable[[Sequence[Message]], None]) -> Handler:
    """Handles messages of the queue, and tells which must come again.

    AWS Lambda Developer Guide, "Implementing partial batch responses". They would come when the queue's visibility
    time-out is over, which is six times the function's own: `keep` says a minute instead.
    """

    def s3_events(event: Any, _context: object) -> Event:
        records = event.get("Records") if isinstance(event, dict) else None
        if not isinstance(records, list):
            log.error("event of another kind")
            return {"batchItemFailures": []}
        if failed := list(_failed(records, handle)):
            try:
                keep(failed)
            except Exception:  # then they come later; without an answer all would, also those that were handled
                log.exception("messages not kept", extra={"messages": len(failed)})
        return {"batchItemFailures": [{"itemIdentifier": message.message_id} for message in failed]}

    return s3_events


def make_sweep(sweep: Callable[[], Iterable[str]]) -> Handler:
    """Ends the uploads whose time is over. Cut off by its time-out it leaves the rest to the next run."""

    def sweep_expired(_event: Any, _context: object) -> Event:
        return {"swept": sum(1 for _ in sweep())}

    return sweep_expired


def _failed(records: list[Any], handle: Callable[[str], None]) -> Iterable[Message]:
    for record in records:
        match record:
            case {"messageId": str(message_id), "receiptHandle": str(receipt), "body": str(body)}:
                if not handled(handle, message_id, body):
                    yield Message(message_id, receipt, body)
            case _:
                log.error("record of another kind")


def _why_refused(event: Any) -> str | None:
    """What is wrong with an event that no gateway sends; the adapter would fail at it."""
    match event:
        case {
            "version": "2.0",
            "rawPath": str(),
            "rawQueryString": str(),
            "headers": dict(),
            "requestContext": {"http": {"method": str(), "sourceIp": str(), "protocol": str()}},
        }:
            pass
        case {"httpMethod": str(), "path": str()} if event.get("version", "1.0") == "1.0":
            pass
        case _:
            return "The event is of no HTTP request."
    if event.get("isBase64Encoded"):
        try:
            base64.b64decode(event.get("body") or "", validate=True)
        except (binascii.Error, TypeError, ValueError):
            return "The body of the event is not base64."
    return None


def _with_quoted_path(event: Event) -> Event:
    """The event with its path as it stands in a request line; some gateways decode it, and so does the adapter."""
    name = "rawPath" if "rawPath" in event else "path"
    return event | {name: _NOT_ASCII.sub(lambda found: quote(found[0], errors="replace"), event[name])}


def _with_plain_headers(event: Event) -> Event:
    """The event without headers whose names hold a `_`: WSGI would take `X_User_ID` for `X-User-ID`.

    gunicorn drops them as well. A header in two spellings of upper and lower case was sent twice.
    """
    plain: Event = {}
    if headers := event.get("headers"):
        plain["headers"] = {name: value for name, value in headers.items() if "_" not in name}
    if headers := event.get("multiValueHeaders"):
        together: dict[str, list[str]] = {}
        for name, values in headers.items():
            if "_" not in name:
                together.setdefault(name.lower(), []).extend(values)
        plain["multiValueHeaders"] = together
    return event | plain


def _behind_its_gateway(app: "WSGIApplication") -> "WSGIApplication":
    """Tells the application what its gateway knows of clients: the path under which they see it, and their address.

    The path, so that links lead to where they shall.
    A REST API's `path` is without the stage, `requestContext.path` as the client sent it; an HTTP
    API's `rawPath` begins with the stage, unless that is `$default` (API Gateway Developer Guide,
    "Input format of a Lambda function for proxy integration", "Create Lambda proxy integrations
    for HTTP APIs"). The adapter takes the first address of X-Forwarded-For, which is the client's own word:
    a REST API knows better, and a load balancer adds the one that it sees behind the others (Elastic
    Load Balancing guide, "HTTP headers and Application Load Balancers").
    """

    def with_what_it_says(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        context = environ.get("apig_wsgi.request_context") or {}
        if "elb" in context:
            environ["REMOTE_ADDR"] = environ.get("HTTP_X_FORWARDED_FOR", "").rpartition(",")[2].strip()
        elif "http" not in context:
            environ["REMOTE_ADDR"] = (context.get("identity") or {}).get("sourceIp") or ""
        path, sent = environ["PATH_INFO"], context.get("path")
        prefix = f"/{context.get('stage')}"
        if isinstance(sent, str) and sent.startswith(prefix + "/") and not path.startswith(prefix + "/"):
            environ["SCRIPT_NAME"] = prefix
        elif "http" in context and path.startswith(prefix + "/"):
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = prefix, path.removeprefix(prefix)
        return app(environ, start_response)

    return with_what_it_says


def _problem(status: int, code: str, detail: str, headers: Mapping[str, str] = MappingProxyType({})) -> Event:
    """A failure before or behind the application, as it would tell it."""
    request_id = uuid4().hex
    return {
        "statusCode": status,
        "headers": {"Content-Type": MEDIA_TYPE, "X-Request-ID": request_id, **DEFAULT_HEADERS, **headers},
        "body": problem_details(status, code, detail, request_id=request_id).decode(),
        "isBase64Encoded": False,
    }


@functools.cache
def _own_settings() -> Settings:
    settings = settings_from_environment()
    logs.configure(settings.log_level)
    return settings


@functools.cache
def _own_api() -> Handler:
    return make_api(_own_settings())


@functools.cache
def _own_s3_events() -> Handler:
    services = build_services(_own_settings(), signs=False)
    return make_s3_events(services.uploads.handle, services.queue.keep)


@functools.cache
def _own_sweep() -> Handler:
    return make_sweep(build_services(_own_settings(), signs=False).uploads.sweep)
