"""How a worker is watched: its figures over HTTP, and a look at the queue and at pending uploads now and then."""

import logging
import threading
from collections.abc import Iterable
from datetime import timedelta
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from app.errors import BackendUnavailable
from app.metrics import CONTENT_TYPE
from app.services import Services
from app.settings import Settings, SettingsError
from app.worker_metrics import WorkerMetrics

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)

_LOOK_SECONDS = 15.0


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    timeout = 5  # a client that says nothing holds a thread no longer

    def log_message(self, format: str, *_args: object) -> None:
        """Scrapes are not written down."""


class Watch:
    """Runs beside a worker that has WORKER_METRICS_PORT. Raises SettingsError where it cannot listen there."""

    def __init__(self, services: Services, figures: WorkerMetrics, settings: Settings, *, port: int) -> None:
        self._services = services
        self._figures = figures
        self._settings = settings
        self._stopping = threading.Event()
        host = settings.worker_metrics_host
        try:
            self._server = make_server(host, port, self._answer, server_class=_Server, handler_class=_Silent)
        except OSError as error:
            raise SettingsError(f"WORKER_METRICS_PORT: cannot listen on {host}:{port} ({error.strerror}).") from error
        self._threads = [
            threading.Thread(target=self._server.serve_forever, name="figures"),
            threading.Thread(target=self._look_often, name="look", daemon=True),  # may be waiting for a store
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def look(self) -> None:
        """Ask the stores once how much is waiting. Raises BackendUnavailable."""
        services = self._services
        # Overdue is what a sweep has had the time for and has not ended.
        overdue = services.clock() - timedelta(seconds=self._settings.sweep_seconds)
        self._figures.stores_seen(
            services.queue.backlog(),
            pending=services.metadata.pending(),
            overdue=services.metadata.pending(before=overdue),
        )

    def _look_often(self) -> None:
        while not self._stopping.is_set():
            try:
                self.look()
            except BackendUnavailable as error:
                log.warning("stores not looked at", extra={"store": error.store})
            except Exception:
                log.exception("stores not looked at")
            self._stopping.wait(_LOOK_SECONDS)

    def _answer(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        if environ["PATH_INFO"] != "/metrics":
            return _text(start_response, "404 Not Found")
        if not self._settings.accepts_metrics_token(environ.get("HTTP_AUTHORIZATION", "")):
            return _text(start_response, "401 Unauthorized", ("WWW-Authenticate", "Bearer"))
        start_response("200 OK", [("Content-Type", CONTENT_TYPE)])
        return [self._services.metrics.exposition()]


def _text(start_response: "StartResponse", status: str, *headers: tuple[str, str]) -> Iterable[bytes]:
    start_response(status, [("Content-Type", "text/plain"), *headers])
    return [f"{status}\n".encode()]
