"""The service over HTTP: the only room that knows it."""

import re
import secrets
import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from flask import Flask, Response, g, request

from app import logs
from app.api import accesses, docs, health, images, metrics, problems, rates, tags, thumbnails, uploads, usage
from app.api.auth import standings
from app.api.bodies import discard_rest
from app.api.context import EXTENSION, Context, context
from app.api.hardening import hardened, share
from app.api.identity import identity_for
from app.api.request_models import request_models
from app.gallery import gallery_blueprint
from app.services import Services, build_services
from app.settings import Settings
from app.variant_specs import default_spec

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

REQUEST_ID_HEADER = "X-Request-ID"
_SANE_REQUEST_ID = re.compile(r"[A-Za-z0-9._:=+/@-]{1,128}")


class _Application(Flask):
    def wsgi_app(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        return super().wsgi_app(environ, hardened(start_response))

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """As it is: nothing here is a coroutine, which Flask would look for in each function that a request calls."""
        return func


def create_app(settings: Settings, services: Services | None = None) -> Flask:
    """The WSGI application. It makes no connection before the first request; raises SettingsError."""
    app = _Application("app.api", static_folder=None)
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False  # it would redirect to whatever the Host header says
    app.url_map.converters["image_id"] = images.ImageIdConverter
    services = services or build_services(settings)
    app.extensions[EXTENSION] = Context(
        settings,
        services,
        request_models(settings),
        identity_for(settings),
        rates.RateLimits(settings),
        default_spec(settings.variant_sizes).name,
    )
    app.config["MAX_CONTENT_LENGTH"] = settings.max_request_bytes
    app.before_request(_begin)
    app.after_request(_finish)
    problems.register(app)
    for part in (images, thumbnails, tags, uploads, usage, health, docs):
        app.register_blueprint(part.blueprint)
    app.register_blueprint(thumbnails.links)
    app.register_blueprint(gallery_blueprint(settings, bucket_origin=services.storage.public_origin))
    services.metrics.serves_with(settings.web_threads)
    if settings.shows_metrics:
        app.register_blueprint(metrics.blueprint)
    return app


def _begin() -> None:
    given = request.headers.get(REQUEST_ID_HEADER, "")
    g.request_id = given if _SANE_REQUEST_ID.fullmatch(given) else secrets.token_hex(16)
    g.access = accesses.begin(context())
    logs.request_id.set(g.request_id)


def _finish(response: Response) -> Response:
    response.headers[REQUEST_ID_HEADER] = g.request_id
    scope = context()
    share(request, response, scope.settings.api_cors_origins)
    if scope.rates.are_on:
        rates.show(response, standings())
    response.direct_passthrough = False  # with it, as send_file sets it, werkzeug forgets what is to be done on close
    response.call_on_close(
        partial(
            accesses.end,
            g.access,
            scope,
            answered=time.perf_counter(),
            status=response.status_code,
            sent_bytes=response.content_length or 0,
            user_id=g.get("user_id"),
        )
    )
    if response.status_code >= 400:
        response.call_on_close(partial(discard_rest, request.environ))
    return response
