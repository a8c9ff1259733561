"""kill -9 at every call that changes something; tests/faults/crashes.py says what must be true afterwards."""

from collections.abc import Iterator
from typing import Any

import pytest

from app.settings import Settings
from tests.faults.crashes import (
    COUNTED,
    LOOKED_AT,
    OPERATIONS,
    Delete,
    Operation,
    Victim,
    crash_everywhere,
    crash_settings,
)
from tests.faults.proxy import FaultProxy
from tests.server import RunningService


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    with Victim.running() as victim:
        yield victim


@pytest.fixture(scope="module")
def own_stores(server: RunningService, proxy: FaultProxy) -> Iterator[tuple[Settings, dict[str, Any]]]:
    with crash_settings(server.endpoint_url, proxy) as settings:
        yield settings


@pytest.fixture(scope="module")
def own_stores_with_quotas(server: RunningService, proxy: FaultProxy) -> Iterator[tuple[Settings, dict[str, Any]]]:
    with crash_settings(server.endpoint_url, proxy, max_images_per_user=9, max_bytes_per_user=10**9) as settings:
        yield settings


@pytest.mark.parametrize("kind", COUNTED, ids=lambda kind: kind.name)
def test_a_crash_anywhere_leaves_the_right_count(
    kind: type[Operation],
    own_stores_with_quotas: tuple[Settings, dict[str, Any]],
    proxy: FaultProxy,
    victim: Victim,
) -> None:
    stores, victims_settings = own_stores_with_quotas
    assert list(crash_everywhere(kind, stores, proxy, victim, victims_settings))


@pytest.fixture(scope="module")
def own_stores_with_variants(server: RunningService, proxy: FaultProxy) -> Iterator[tuple[Settings, dict[str, Any]]]:
    names = "256x-contain-q80.jpeg,64x64-cover-center-q80.webp"
    with crash_settings(server.endpoint_url, proxy, variants_at_upload=names) as settings:
        yield settings


@pytest.mark.parametrize("kind", LOOKED_AT, ids=lambda kind: kind.name)
def test_a_crash_anywhere_leaves_no_variants_of_nothing(
    kind: type[Operation],
    own_stores_with_variants: tuple[Settings, dict[str, Any]],
    proxy: FaultProxy,
    victim: Victim,
) -> None:
    stores, victims_settings = own_stores_with_variants
    calls = [outcome.call for outcome in crash_everywhere(kind, stores, proxy, victim, victims_settings)]
    assert calls.count("PUT variants") == (0 if kind is Delete else 4)


@pytest.mark.parametrize("kind", OPERATIONS, ids=lambda kind: kind.name)
def test_a_crash_anywhere_breaks_no_promise_and_leaves_nothing(
    kind: type[Operation], own_stores: tuple[Settings, dict[str, Any]], proxy: FaultProxy, victim: Victim
) -> None:
    stores, victims_settings = own_stores
    assert list(crash_everywhere(kind, stores, proxy, victim, victims_settings))
