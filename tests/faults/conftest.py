"""The application in this process, with a proxy that makes faults between it and a real emulator."""

from collections.abc import Iterator

import httpx
import pytest

from app.api import create_app
from app.services import Services, build_services
from app.settings import Settings
from tests.conftest import settings_beside
from tests.faults.proxy import FaultProxy
from tests.server import RunningService


@pytest.fixture(scope="session")
def proxy(server: RunningService) -> Iterator[FaultProxy]:
    with FaultProxy(server.endpoint_url).running() as proxy:
        yield proxy


@pytest.fixture(scope="session")
def faulty_settings(server: RunningService, proxy: FaultProxy) -> Settings:
    return settings_beside(server, aws_endpoint_url=proxy.url)


@pytest.fixture(scope="session")
def faulty_services(faulty_settings: Settings) -> Services:
    return build_services(faulty_settings)


@pytest.fixture
def api(faulty_settings: Settings, faulty_services: Services, proxy: FaultProxy, user: str) -> Iterator[httpx.Client]:
    proxy.reset()
    app = create_app(faulty_settings, faulty_services)
    with httpx.Client(
        base_url="http://faulty", headers={"X-User-ID": user}, transport=httpx.WSGITransport(app)
    ) as client:
        yield client
    proxy.reset()
