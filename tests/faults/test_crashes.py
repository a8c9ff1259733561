"""kill -9 at every call that changes something; tests/faults/crashes.py says what must be true afterwards."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.settings import Settings
from tests.faults.crashes import VARIANTS, Victim, crash_everywhere, crash_settings
from tests.faults.operations import COUNTED, LOOKED_AT, OPERATIONS, Delete, Operation
from tests.faults.proxy import FaultProxy
from tests.server import RunningService

Stores = tuple[Settings, dict[str, Any]]

PLAIN: dict[str, object] = {}
QUOTAS: dict[str, object] = {"max_images_per_user": 9, "max_bytes_per_user": 10**9}


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    with Victim.running() as victim:
        yield victim


@pytest.fixture(scope="module")
def stores(request: pytest.FixtureRequest, server: RunningService, proxy: FaultProxy) -> Iterator[Stores]:
    """Stores of its own for a service with these settings."""
    with crash_settings(server.endpoint_url, proxy, **request.param) as settings:
        yield settings


@pytest.mark.parametrize("stores", [PLAIN], indirect=True, ids=["plain"])
@pytest.mark.parametrize("kind", OPERATIONS, ids=lambda kind: kind.name)
def test_a_crash_anywhere_breaks_no_promise_and_leaves_nothing(
    kind: type[Operation], stores: Stores, proxy: FaultProxy, victim: Victim
) -> None:
    assert list(crash_everywhere(kind, stores[0], proxy, victim, stores[1]))


@pytest.mark.parametrize("stores", [QUOTAS], indirect=True, ids=["quotas"])
@pytest.mark.parametrize("kind", COUNTED, ids=lambda kind: kind.name)
def test_a_crash_anywhere_leaves_the_right_count(
    kind: type[Operation], stores: Stores, proxy: FaultProxy, victim: Victim
) -> None:
    assert list(crash_everywhere(kind, stores[0], proxy, victim, stores[1]))


@pytest.mark.parametrize("stores", [VARIANTS], indirect=True, ids=["variants"])
@pytest.mark.parametrize("kind", LOOKED_AT, ids=lambda kind: kind.name)
def test_a_crash_anywhere_leaves_no_variants_of_nothing(
    kind: type[Operation], stores: Stores, proxy: FaultProxy, victim: Victim
) -> None:
    calls = [outcome.call for outcome in crash_everywhere(kind, stores[0], proxy, victim, stores[1])]
    assert calls.count("PUT variants") == (0 if kind is Delete else 4)
