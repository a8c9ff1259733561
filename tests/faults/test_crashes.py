"""kill -9 at every call that changes something; tests/faults/crashes.py says what must be true afterwards."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from app.services.aws import AWSClientFactory
from app.services.provision import provision
from app.settings import Settings
from tests.conftest import test_settings
from tests.faults.crashes import AFTER, BEFORE, OPERATIONS, Crash, Operation, Stage, Victim, changing_calls, die_at
from tests.faults.proxy import FaultProxy
from tests.server import RunningService


@pytest.fixture(scope="module")
def victim() -> Iterator[Victim]:
    with Victim.running() as victim:
        yield victim


@pytest.fixture(scope="module")
def own_stores(server: RunningService) -> Settings:
    """Stores whose events nobody takes, so that nothing happens but what the test does."""
    name = f"crash-{uuid.uuid4().hex[:12]}"
    settings = test_settings(
        stage="local",
        aws_endpoint_url=server.endpoint_url,
        aws_access_key_id="test",
        aws_secret_access_key="test",
        s3_bucket=name,
        images_table=name,
        postings_table=f"{name}-postings",
        uploads_queue=name,
    )
    list(provision(AWSClientFactory(settings), settings))
    return settings


@pytest.fixture(scope="module")
def victims_settings(own_stores: Settings, proxy: FaultProxy) -> dict[str, Any]:
    plain = own_stores.model_dump(mode="json") | {"aws_endpoint_url": proxy.url}
    return plain | {"secret_key": "k" * 32, "aws_secret_access_key": "test"}


@pytest.mark.parametrize("kind", OPERATIONS, ids=lambda kind: kind.name)
def test_a_crash_anywhere_breaks_no_promise(
    kind: type[Operation], own_stores: Settings, proxy: FaultProxy, victim: Victim, victims_settings: dict[str, Any]
) -> None:
    def stage() -> Stage:
        return Stage(own_stores, f"user-{uuid.uuid4().hex[:12]}")

    calls = changing_calls(kind(stage()), proxy, victim, victims_settings)
    assert calls
    for crash in (Crash(number, when) for number in range(1, len(calls) + 1) for when in (BEFORE, AFTER)):
        operation = kind(stage())
        arguments = operation.arguments()
        proxy.reset(die_at(crash, victim))
        code = victim.carry_out(kind.victim, victims_settings, arguments)
        proxy.reset()
        assert code == -9, (crash, calls)
        operation.stage.require_what_was_promised()
        operation.require_before_or_after()
        operation.repeat()
        operation.stage.require_what_was_promised()
        operation.require_done()
