"""kill -9 at every call that changes something, before and after it.

What is promised holds at once, and the client's repetition and the audit make the rest whole. Used
by the tests, and by `python -m benchmarks.crash_matrix`, which writes docs/reliability.md.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

from app.services.aws import AWSClientFactory
from app.services.provision import provision
from app.settings import Settings
from tests.faults.operations import Operation
from tests.faults.proxy import Afterwards, Call, Fault, FaultProxy
from tests.faults.stage import Stage
from tests.server import ROOT

BEFORE, AFTER = "before", "after"
VARIANTS: dict[str, object] = {"variants_at_upload": "256x-contain-q80.jpeg,64x64-cover-center-q80.webp"}
"""Settings of a service that makes two with each upload."""


class Victim:
    """The process that carries out operations and is killed; see tests/faults/victim.py."""

    def __init__(self, orders: IO[str], answers: IO[str]) -> None:
        self._orders = orders
        self._answers = answers
        self.pid = 0
        self._begun = threading.Event()

    @classmethod
    @contextmanager
    def running(cls) -> Iterator["Victim"]:
        command = [sys.executable, "-m", "tests.faults.victim"]
        with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            yield cls(process.stdin, process.stdout)
            process.stdin.close()

    def carry_out(self, operation: str, settings: dict[str, Any], arguments: dict[str, Any]) -> int:
        """Returns the exit code; a negative one is the signal that ended it."""
        self._begun.clear()
        self._orders.write(json.dumps({"operation": operation, "settings": settings, "arguments": arguments}) + "\n")
        self._orders.flush()
        self.pid = json.loads(self._answers.readline())["pid"]
        self._begun.set()
        code: int = json.loads(self._answers.readline())["exit"]
        return code

    def kill(self) -> None:
        """Called from the proxy's thread, at the call that is to be the last."""
        assert self._begun.wait(10)
        os.kill(self.pid, signal.SIGKILL)


@dataclass(frozen=True)
class Crash:
    """One way to die: at the how many-th changing call, before or after it was carried out."""

    number: int
    when: str


def die_at(crash: Crash, victim: Victim) -> Callable[[Call], Fault | Afterwards | None]:
    """The proxy's plan."""
    seen = 0

    def plan(call: Call) -> Fault | Afterwards | None:
        nonlocal seen
        seen += call.changes_something
        if not call.changes_something or seen != crash.number:
            return None
        if crash.when == AFTER:
            return Afterwards(victim.kill)
        victim.kill()
        return Fault.LOSE_REQUEST

    return plan


def changing_calls(operation: Operation, proxy: FaultProxy, victim: Victim, settings: dict[str, Any]) -> list[str]:
    """The calls of an operation that is left in peace, in order."""
    arguments = operation.arguments()
    proxy.reset()
    assert victim.carry_out(operation.victim, settings, arguments) == 0
    return [call.operation for call in proxy.calls if call.changes_something]


@dataclass(frozen=True)
class Outcome:
    """What one crash led to: the state at once, and after the audit where the client never came back."""

    operation: str
    crash: Crash
    call: str
    at_once: str
    after_audit: str


def crash_everywhere(
    kind: type[Operation], own_stores: Settings, proxy: FaultProxy, victim: Victim, settings: dict[str, Any]
) -> Iterator[Outcome]:
    """Kill the operation at each of its changing calls, before and after it, and require what is promised.

    Each crash happens twice: once the client repeats its request, once it never comes back and
    the audit cleans up.
    """

    def scene() -> Operation:
        return kind(Stage(own_stores, f"user-{uuid.uuid4().hex[:12]}"))

    def crashed(crash: Crash) -> Operation:
        operation = scene()
        arguments = operation.arguments()
        proxy.reset(die_at(crash, victim))
        code = victim.carry_out(kind.victim, settings, arguments)
        proxy.reset()
        assert code == -signal.SIGKILL
        operation.stage.require_what_was_promised()
        return operation

    calls = changing_calls(scene(), proxy, victim, settings)
    for number, call in enumerate(calls, start=1):
        for when in (BEFORE, AFTER):
            crash = Crash(number, when)
            operation = crashed(crash)
            at_once = operation.require_before_or_after()
            operation.repeat()
            operation.stage.require_what_was_promised()
            operation.require_done()
            operation = crashed(crash)
            assert operation.stage.audit() == []
            operation.stage.require_what_was_promised()
            assert operation.stage.leftovers() == set()
            yield Outcome(kind.name, crash, call, at_once, operation.require_before_or_after_audit())


@contextmanager
def crash_settings(
    endpoint_url: str, proxy: FaultProxy, **changes: object
) -> Iterator[tuple[Settings, dict[str, Any]]]:
    """Stores whose events nobody takes, so that nothing happens but what is looked at; and the victim's way to them."""
    name = f"crash-{uuid.uuid4().hex[:12]}"
    plain: dict[str, Any] = {
        "stage": "local",
        "secret_key": "k" * 32,
        "aws_endpoint_url": endpoint_url,
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
        "s3_bucket": name,
        "images_table": name,
        "postings_table": f"{name}-postings",
        "uploads_queue": name,
    } | changes
    settings = Settings.model_validate(plain)
    list(provision(AWSClientFactory(settings), settings))
    yield settings, plain | {"aws_endpoint_url": proxy.url}
