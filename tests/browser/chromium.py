"""The browser: Debian's Chromium, driven by Playwright."""

import shutil

from playwright.sync_api import Browser, Playwright

_QUIET = (
    "--no-sandbox",  # containers have no user namespaces
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--force-color-profile=srgb",
)


def chromium_path() -> str | None:
    return shutil.which("chromium")


def launched(playwright: Playwright) -> Browser:
    """A headless browser that asks nobody but the pages that it is sent to."""
    return playwright.chromium.launch(executable_path=chromium_path(), headless=True, args=list(_QUIET))
