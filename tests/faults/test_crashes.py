"""kill -9 at every call that changes something; tests/faults/crashes.py says what must be true afterwards."""

from collections.abc import Callable, Iterator

import pytest

from tests.faults.crashes import VARIANTS, Victim, crash_everywhere, crash_settings
from tests.faults.operations import COUNTED, LOOKED_AT, OPERATIONS, Complete, Delete, Operation, Upload
from tests.faults.proxy import FaultProxy
from tests.server import RunningService

Crashes = Callable[[type[Operation]], list[str]]

PLAIN: dict[str, object] = {}
QUOTAS: dict[str, object] = {"max_images_per_user": 9, "max_bytes_per_user": 10**9}


QUICK = (Upload, Complete, Delete)
"""Each crash takes two processes and a second; of the others CI tries none."""


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    with Victim.running() as victim:
        yield victim


@pytest.fixture(scope="module")
def crashes(
    request: pytest.FixtureRequest, server: RunningService, proxy: FaultProxy, victim: Victim
) -> Iterator[Crashes]:
    """Crashes an operation of a service with these settings, on stores of its own; says at which calls."""
    with crash_settings(server.endpoint_url, proxy, **request.param) as (stores, settings):
        yield lambda kind: [it.call for it in crash_everywhere(kind, stores, proxy, victim, settings)]


@pytest.mark.parametrize("crashes", [PLAIN], indirect=True, ids=["plain"])
@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[] if kind in QUICK else pytest.mark.long, id=kind.name) for kind in OPERATIONS],
)
def test_a_crash_anywhere_breaks_no_promise_and_leaves_nothing(kind: type[Operation], crashes: Crashes) -> None:
    assert crashes(kind)


@pytest.mark.long
@pytest.mark.parametrize("crashes", [QUOTAS], indirect=True, ids=["quotas"])
@pytest.mark.parametrize("kind", COUNTED, ids=lambda kind: kind.name)
def test_a_crash_anywhere_leaves_the_right_count(kind: type[Operation], crashes: Crashes) -> None:
    assert crashes(kind)


@pytest.mark.long
@pytest.mark.parametrize("crashes", [VARIANTS], indirect=True, ids=["variants"])
@pytest.mark.parametrize("kind", LOOKED_AT, ids=lambda kind: kind.name)
def test_a_crash_anywhere_leaves_no_variants_of_nothing(kind: type[Operation], crashes: Crashes) -> None:
    assert crashes(kind).count("PUT variants") == (0 if kind is Delete else 4)
