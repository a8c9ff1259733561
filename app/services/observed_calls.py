"""Tells an observer of each call that boto3 makes, so that it can count and time them."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

METERED = frozenset(
    {"GetItem", "BatchGetItem", "Query", "Scan", "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}
)
"""The operations of DynamoDB that can say which capacity they consumed."""


class Call(NamedTuple):
    """One call with all its attempts, until the head of its answer. `outcome` is ok, or what went wrong."""

    store: str
    operation: str
    outcome: str
    seconds: float
    consumed: Sequence[Mapping[str, Any]] = ()
    """ConsumedCapacity of each table, as DynamoDB says it; a call that fails does not say it."""


ObserveCall = Callable[[Call], None]


def ignore(_call: Call) -> None:
    """For those who count nothing."""


def consumed(answer: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    """What the answer says of consumed capacity: of one table as a mapping, of several as a list of those."""
    found: Any = answer.get("ConsumedCapacity", ())
    return [found] if isinstance(found, dict) else found


def observed(client: Any, store: str, observe: ObserveCall) -> Any:
    """The client, by whose own events (botocore, "Event system") the observer hears of each call."""

    def ask(params: dict[str, Any], model: Any, **_: object) -> None:
        if model.name in METERED:
            params.setdefault("ReturnConsumedCapacity", "TOTAL")

    def begin(context: dict[str, Any], **_: object) -> None:
        context["began"] = time.perf_counter()

    def end(context: dict[str, Any], model: Any, http_response: Any, parsed: dict[str, Any], **_: object) -> None:
        succeeded = http_response.status_code < 300
        outcome = "ok" if succeeded else parsed.get("Error", {}).get("Code", str(http_response.status_code))
        observe(Call(store, model.name, outcome, time.perf_counter() - context["began"], consumed(parsed)))

    def fail(context: dict[str, Any], exception: Exception, event_name: str, **_: object) -> None:
        operation = event_name.rpartition(".")[2]
        observe(Call(store, operation, type(exception).__name__, time.perf_counter() - context["began"]))

    if store == "dynamodb":
        client.meta.events.register("provide-client-params", ask)
    client.meta.events.register("before-call", begin)
    client.meta.events.register("after-call", end)
    client.meta.events.register("after-call-error", fail)
    return client


def began_at(context: dict[str, Any], moment: float) -> None:
    """Count a call of boto3 from an earlier moment on (of `time.perf_counter`)."""
    context["began"] = moment
