"""One message of the queue, the same for the worker and for the function that Lambda calls."""

import logging
from collections.abc import Callable

from app import logs
from app.errors import BackendUnavailable, Overloaded

log = logging.getLogger(__name__)


def handled(handle: Callable[[str], None], message_id: str, body: str) -> bool:
    """Have a message's body handled, and log what went wrong. False where the message must come again."""
    logs.request_id.set(message_id)
    try:
        handle(body)
    except BackendUnavailable as error:
        log.warning("message not handled", extra={"store": error.store, "cause": error.cause})
        return False
    except Overloaded:
        log.warning("message not handled", extra={"cause": "Overloaded"})
        return False
    except Exception:
        log.exception("message not handled")
        return False
    return True
