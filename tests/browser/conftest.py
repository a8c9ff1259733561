"""A real browser at the real service. Whatever a test does, the page may not complain, nor ask any other host."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from tests.browser.chromium import chromium_path, launched
from tests.server import RunningService

TOKEN_ISSUER, TOKEN_AUDIENCE, TOKEN_SECRET = "https://login.example", "images", "a secret that only this test knows"
DEADLINE_MILLISECONDS = 20_000
ARTEFACTS = Path(__file__).parents[2] / ".cache" / "screenshots"


@dataclass(slots=True)
class Visit:
    """One person's visit to the gallery."""

    page: Page
    url: str
    api: httpx.Client
    """The same person, by HTTP."""
    refusals: set[int] = field(default_factory=set)
    """Statuses that the test means to be refused with; the browser writes each to its console."""
    lost: bool = False
    """Whether the test takes the connection away."""

    def open(self, query: str = "") -> Page:
        self.page.goto(f"{self.url}/{query}")
        return self.page

    def upload(self, data: bytes, filename: str, **fields: str) -> dict[str, Any]:
        """Upload past the page."""
        response = self.api.post("/api/v1/images/upload", files={"file": (filename, data, "image/jpeg")}, data=fields)
        assert response.status_code == 201, response.text
        resource: dict[str, Any] = response.json()
        return resource

    def stored(self) -> list[dict[str, Any]]:
        images: list[dict[str, Any]] = self.api.get("/api/v1/images?limit=100").json()["images"]
        return images

    def keep_picture(self, name: str) -> None:
        """A screenshot for people to look at, as an artefact of the run."""
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=ARTEFACTS / f"{name}.png")


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    expect.set_options(timeout=DEADLINE_MILLISECONDS)
    if chromium_path() is None:
        pytest.skip("there is no Chromium here; on Debian: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = launched(playwright)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def site(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """The service with a bucket that lets the page upload to it, though it is of another origin."""
    assert browser  # where there is none, nothing needs to be started
    service = RunningService(tmp_path_factory.mktemp("gallery")).start()
    yield service
    assert service.stop() == 0


@pytest.fixture(scope="session")
def closed_site(site: RunningService, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    """Another one on the same stores, which knows its users by tokens, and whose bucket lets no page in."""
    service = RunningService(
        tmp_path_factory.mktemp("closed"),
        AWS_ENDPOINT_URL=site.endpoint_url,
        BUCKET_CORS_ORIGINS="https://elsewhere.example",
        AUTH_MODE="jwt",
        JWT_ISSUER=TOKEN_ISSUER,
        JWT_AUDIENCE=TOKEN_AUDIENCE,
        JWT_ALGORITHMS="HS256",
        JWT_KEY=TOKEN_SECRET,
    ).start()
    yield service
    assert service.stop() == 0


Visiting = Callable[..., AbstractContextManager[Visit]]


@pytest.fixture
def visiting(browser: Browser, user: str) -> Visiting:
    """Opens visits of the test's user, or of nobody known yet; further arguments are those of a browser context."""

    @contextmanager
    def visit(
        service: RunningService, *, is_signed_in: bool = True, token: str | None = None, **options: Any
    ) -> Iterator[Visit]:
        if is_signed_in and token is None:
            remembered = {"origin": service.url, "localStorage": [{"name": "gallery.user", "value": user}]}
            options["storage_state"] = {"origins": [remembered]}
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
        context.set_default_timeout(DEADLINE_MILLISECONDS)
        with service.client(user) as api:
            if token is not None:
                api.headers["Authorization"] = f"Bearer {token}"
            visit = Visit(context.new_page(), service.url, api)
            complaints = _complaints(context, visit, {service.url, service.endpoint_url})
            try:
                yield visit
            finally:
                context.close()
        assert complaints == []

    return visit


@pytest.fixture
def token(user: str) -> str:
    """What the test's user signs in with at `closed_site`."""
    claims = {"iss": TOKEN_ISSUER, "aud": TOKEN_AUDIENCE, "sub": user, "exp": int(time.time()) + 3600}
    return jwt.encode(claims, TOKEN_SECRET, algorithm="HS256")


@pytest.fixture
def visit(visiting: Visiting, site: RunningService) -> Iterator[Visit]:
    with visiting(site) as visit:
        yield visit


def _complaints(context: BrowserContext, visit: Visit, origins: set[str]) -> list[str]:
    """Fills with what the pages complain about, and with requests that leave these origins."""
    found: list[str] = []

    def note_message(message: ConsoleMessage) -> None:
        is_meant = any(f"the server responded with a status of {status} " in message.text for status in visit.refusals)
        is_meant |= visit.lost and ("net::ERR" in message.text or "blocked by CORS policy" in message.text)
        if message.type in {"error", "warning"} and not is_meant:
            found.append(f"{message.text} {message.location['url']}")

    context.on("console", note_message)
    context.on("weberror", lambda error: found.append(str(error.error)))
    context.on(
        "request",
        lambda request: (
            None if request.url.startswith((*origins, "blob:", "data:")) else found.append(f"asked {request.url}")
        ),
    )
    return found
