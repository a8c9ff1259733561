"""Who counts and times calls is told of each that boto3 makes."""

import time
from collections.abc import Callable
from typing import Any

ObserveCall = Callable[[str, str, str, float], None]
"""Takes the store, the operation, its outcome (ok, or what went wrong) and the seconds that it took."""


def nobody(_store: str, _operation: str, _outcome: str, _seconds: float) -> None:
    """Where nobody counts."""


def observed(client: Any, store: str, observe: ObserveCall) -> Any:
    """The client, by whose own events (botocore, "Event system") the observer hears of each call."""

    def begin(context: dict[str, Any], **_: object) -> None:
        context["began"] = time.perf_counter()

    def end(context: dict[str, Any], model: Any, http_response: Any, parsed: dict[str, Any], **_: object) -> None:
        succeeded = http_response.status_code < 300
        outcome = "ok" if succeeded else parsed.get("Error", {}).get("Code", str(http_response.status_code))
        observe(store, model.name, outcome, time.perf_counter() - context["began"])

    def fail(context: dict[str, Any], exception: Exception, event_name: str, **_: object) -> None:
        operation = event_name.rpartition(".")[2]
        observe(store, operation, type(exception).__name__, time.perf_counter() - context["began"])

    client.meta.events.register("before-call", begin)
    client.meta.events.register("after-call", end)
    client.meta.events.register("after-call-error", fail)
    return client
