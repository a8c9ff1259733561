"""Log lines as JSON on standard error: one event a line, its fields as members."""

import contextvars
import logging
from datetime import UTC, datetime

import orjson

request_id: contextvars.ContextVar[str | None] = contextvars.ContextVar("request_id", default=None)
"""The request being served, so that every line of it can be found by its id."""

audit_trail = logging.getLogger("app.audit_trail")
"""Who changed what, and who was refused: a line for each, whatever LOG_LEVEL is."""

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """A record as one line of JSON; what was passed as `extra` becomes members of it."""

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC),
            "level": record.levelname,
            "logger": record.name,
            "event": record.getMessage(),
        }
        if (current := request_id.get()) is not None:
            event["request_id"] = current
        event |= {name: value for name, value in vars(record).items() if name not in _STANDARD}
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(event, default=str).decode()


def configure(level: str) -> None:
    """Send everything of the service at `level` and above to standard error; libraries speak from WARNING on."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    # Who wrote a line is in its request's id; what nobody reads is not asked for (Logging HOWTO, "Optimization").
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    logging._srcfile = None
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for its_own in logging.getLogger("gunicorn.error").handlers:
        its_own.setFormatter(JsonFormatter())
    logging.getLogger("app").setLevel(level)
    audit_trail.setLevel(logging.INFO)
    # libvips warns of each odd bit of metadata in a file, which can be thousands, and from threads that know no
    # request. A file that does not decode is refused by an error, so the warnings are not missed.
    logging.getLogger("pyvips").setLevel(logging.ERROR)
