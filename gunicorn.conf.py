"""How gunicorn serves the app; it reads this file by itself when started beside it."""

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from app.entrypoints.environment import settings_from_environment
from app.entrypoints.traces import require_tracing
from app.settings import SettingsError

try:
    _settings = settings_from_environment()
    require_tracing(_settings)
except SettingsError as error:
    sys.exit(str(error))

wsgi_app = "app.entrypoints.wsgi:app"
bind = _settings.address
# Threads, because a request mostly waits for S3 and DynamoDB; processes, because threads share one
# interpreter lock. Measured (benchmarks/workers.py, docs/overhead.md): with stores that take 8 ms, 2 x 8 answer
# five times as much as 2 sync workers and half as much again as 8 of those; 16 threads help downloads alone.
# The app is loaded after the fork, so clients and their sockets are never shared.
worker_class = "app.entrypoints.gunicorn_worker.ProblemWorker"
workers = _settings.web_workers
threads = _settings.web_threads
preload_app = False
timeout = 30
graceful_timeout = 30
keepalive = 75  # longer than the 60 s of common load balancers, so that they close first
limit_request_line = 0  # the worker limits the head as a whole; a long query is answered by the name of its field
forwarder_headers = ""  # gunicorn believes a header SCRIPT_NAME from this machine, and with it any path
control_socket_disable = True
accesslog = None  # the app writes one line a request itself
errorlog = "-"
loglevel = "warning"

# Where the workers keep their figures, so that whichever is asked for /metrics tells those of all.
_OURS = "image-storage-metrics-"
if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix=_OURS)


def child_exit(_server: Any, worker: Any) -> None:
    """A worker that is gone has no requests in flight."""
    from prometheus_client.multiprocess import mark_process_dead  # noqa: PLC0415 - once the directory is named

    mark_process_dead(worker.pid)


def on_exit(_server: Any) -> None:
    directory = Path(os.environ["PROMETHEUS_MULTIPROC_DIR"])
    if directory.name.startswith(_OURS):
        shutil.rmtree(directory, ignore_errors=True)
