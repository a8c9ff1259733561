"""Fixtures for all tests: settings, an in-process AWS (moto), and the services on it."""

import functools
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

import botocore.session
import httpx
import hypothesis
import pytest
from moto import mock_aws

from app.api import create_app
from app.services import Services, build_services
from app.services.aws import AWSClientFactory
from app.services.provision import provision
from app.settings import Settings
from app.times import utc_now
from tests.server import RunningService

hypothesis.settings.register_profile("untimed", deadline=None)  # machines have other things to do as well
hypothesis.settings.load_profile("untimed")

# Each session of botocore reads the descriptions of the services anew, which is half the time of a test with its own.
botocore.session.create_loader = functools.cache(botocore.session.create_loader)


class TestClock:
    """A clock that moves only when told to, by a microsecond at each look so that times differ."""

    __test__ = False

    def __init__(self) -> None:
        self.now = utc_now()

    def __call__(self) -> datetime:
        self.now += timedelta(microseconds=1)
        return self.now


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The real service, one for all tests; each test takes a user of its own."""
    service = RunningService(tmp_path_factory.mktemp("server")).start()
    yield service
    assert service.stop() == 0


@pytest.fixture
def user() -> str:
    """A user whom no other test knows."""
    return f"user-{uuid.uuid4().hex[:12]}"


@pytest.fixture
def clock() -> TestClock:
    return TestClock()


@pytest.fixture(scope="session")
def settings() -> Settings:
    return test_settings()


def test_settings(**changes: object) -> Settings:
    """Settings that go to AWS, which is moto where `aws` is used."""
    defaults: dict[str, object] = {
        "stage": "test",
        "secret_key": "k" * 32,
        "aws_access_key_id": "testing",
        "aws_secret_access_key": "testing",
        "fast_aws": False,  # moto stands in for what is under boto3
    }
    return Settings.model_validate(defaults | changes)


def settings_beside(server: RunningService, **changes: object) -> Settings:
    """Settings of another process on the stores of the running service."""
    names = ("s3_bucket", "images_table", "postings_table", "uploads_queue")
    stores = {name: server.environment[name.upper()] for name in names} | {
        "stage": "local",
        "aws_endpoint_url": server.endpoint_url,
        "aws_access_key_id": "test",
        "aws_secret_access_key": "test",
    }
    return test_settings(**stores | changes)


def client_beside(settings: Settings, user: str) -> httpx.Client:
    """A client of an application with these settings, in this process."""
    transport = httpx.WSGITransport(create_app(settings))
    return httpx.Client(base_url="http://in-process", headers={"X-User-ID": user}, transport=transport)


test_settings.__test__ = False  # type: ignore[attr-defined]


@pytest.fixture
def own_settings() -> Settings:
    """Settings with a bucket and a table that no other test knows."""
    name = f"test-{uuid.uuid4().hex[:12]}"
    return test_settings(s3_bucket=name, images_table=name, postings_table=f"{name}-postings")


@pytest.fixture
def factory(own_settings: Settings) -> Iterator[AWSClientFactory]:
    """Clients of an AWS in this process, with bucket, table and queue in place."""
    settings = own_settings
    with mock_aws():
        made = AWSClientFactory(settings)
        list(provision(made, settings))
        yield made


@pytest.fixture
def services(factory: AWSClientFactory, own_settings: Settings, clock: TestClock) -> Services:
    assert factory  # its AWS is the one that the services use
    return build_services(own_settings, clock=clock)
