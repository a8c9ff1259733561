"""A stub for what servers seldom do; the real one is the fixture `server`."""

from collections.abc import Iterator

import pytest

from app.client import ImageClient
from tests.client.stub import Stub, running_stub


@pytest.fixture
def stub() -> Iterator[Stub]:
    with running_stub() as running:
        yield running


@pytest.fixture
def pauses() -> list[float]:
    """The pauses that `client` would have made, in seconds."""
    return []


@pytest.fixture
def client(stub: Stub, pauses: list[float]) -> Iterator[ImageClient]:
    with ImageClient(stub.url, user_id="alice", retries=3, sleep=pauses.append) as made:
        yield made
