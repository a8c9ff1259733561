"""For WSGI servers: `gunicorn app.entrypoints.wsgi:app`."""

import gc
import sys

from app import logs
from app.api import create_app
from app.entrypoints.environment import settings_from_environment
from app.entrypoints.traces import start_tracing
from app.services import build_services
from app.settings import SettingsError

try:
    settings = settings_from_environment()
    logs.configure(settings.log_level)
    tracing = start_tracing(settings, service_name="image-storage")
    app = create_app(settings, build_services(settings, tracing=tracing))
except SettingsError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(4)  # what gunicorn calls APP_LOAD_ERROR: its parent gives up instead of trying again

# What is there now stays: it need not be looked at in each of the garbage collector's rounds.
gc.collect()
gc.freeze()
# A page of a hundred images is some 2,800 objects of the kinds that the collector counts, which all go with the
# answer. By default, after each 700, it looked at them four times, and now and then at everything: 20 ms for nothing.
gc.set_threshold(10_000)
