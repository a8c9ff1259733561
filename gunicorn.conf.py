"""How gunicorn serves the app; it reads this file by itself when started beside it."""

import sys

from app.entrypoints.environment import settings_from_environment
from app.settings import SettingsError

try:
    _settings = settings_from_environment()
except SettingsError as error:
    sys.exit(str(error))

wsgi_app = "app.entrypoints.wsgi:app"
bind = _settings.address
# Threads, because a request mostly waits for S3 and DynamoDB; processes, because threads share one
# interpreter lock. The app is loaded after the fork, so clients and their sockets are never shared.
worker_class = "app.entrypoints.gunicorn_worker.ProblemWorker"
workers = _settings.web_workers
threads = _settings.web_threads
preload_app = False
timeout = 30
graceful_timeout = 30
keepalive = 75  # longer than the 60 s of common load balancers, so that they close first
limit_request_line = 0  # the worker limits the head as a whole; a long query is answered by the name of its field
control_socket_disable = True
accesslog = None  # the app writes one line a request itself
errorlog = "-"
loglevel = "warning"
