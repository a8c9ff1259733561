"""The README's pictures of the gallery, from a run of the service: docs/gallery-*.webp.

    .venv/bin/python -m tests.browser.screenshots

The page asks for the font Inter, and takes the system's where that is not installed (Debian: fonts-inter).
"""

import io
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
from PIL import Image as Pillow
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.chromium import launched
from tests.browser.scenery import SCENES, drawn
from tests.browser.steps import drop
from tests.server import RunningService

TARGET = Path(__file__).parents[2] / "docs"
USER = "alice"
WIDE: dict[str, Any] = {"viewport": {"width": 1360, "height": 850}}
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "device_scale_factor": 2,
    "is_mobile": True,
    "has_touch": True,
}
SLOW = {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": 60_000}


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        service = RunningService(Path(directory)).start()
        try:
            with service.client(USER) as api:
                fill(api)
            with sync_playwright() as playwright, closing(launched(playwright)) as browser:
                take_all(browser, service)
        finally:
            service.stop()


def fill(api: httpx.Client) -> None:
    for number, scene in enumerate(SCENES):
        fields = {"title": scene.title, "tags": ",".join(scene.tags), "location": scene.location}
        if scene.description:
            fields["description"] = scene.description
        files = {"file": (scene.filename, drawn(scene, seed=number), "image/jpeg")}
        api.post("/api/v1/images", files=files, data=fields).raise_for_status()


def take_all(browser: Browser, service: RunningService) -> None:
    page = opened(browser, service, **WIDE)
    take(page, "light")
    page.context.new_cdp_session(page).send("Network.emulateNetworkConditions", SLOW)
    drop(page, {scene.filename: drawn(scene, seed=number + 50) for number, scene in enumerate(SCENES[:5])})
    page.locator(".upload[data-state=done]").first.wait_for()
    page.locator(".upload[data-state=sending]").first.wait_for()
    take(page, "uploads")

    page = opened(browser, service, color_scheme="dark", **WIDE)
    page.get_by_role("link", name="Ridge at dawn").click()
    page.locator(".photo.loaded").wait_for()
    take(page, "large-dark")

    page = opened(browser, service, color_scheme="dark", **PHONE)
    take(page, "phone-dark")

    page = opened(browser, service, **PHONE)
    page.get_by_role("link", name="Evening tide").tap()
    page.locator(".photo.loaded").wait_for()
    page.get_by_role("button", name="Details").tap()
    take(page, "phone-light")


def opened(browser: Browser, service: RunningService, **options: Any) -> Page:
    remembered = {"origin": service.url, "localStorage": [{"name": "gallery.user", "value": USER}]}
    options["storage_state"] = {"origins": [remembered]}
    context = browser.new_context(**options)
    page = context.new_page()
    page.goto(service.url)
    expect(page.locator("#grid .tile.loaded").nth(9)).to_be_attached()
    return page


def take(page: Page, name: str) -> None:
    page.wait_for_timeout(1000)  # until what fades has faded
    with Pillow.open(io.BytesIO(page.screenshot())) as picture:
        picture.save(TARGET / f"gallery-{name}.webp", quality=88, method=6)


if __name__ == "__main__":
    main()
