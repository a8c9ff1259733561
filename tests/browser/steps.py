"""What several tests in the browser do."""

import base64
import time
from collections.abc import Callable, Mapping

from playwright.sync_api import Locator, Page

from tests.browser.scenery import Scene, drawn

DEADLINE_SECONDS = 20

_DISPATCH = """([files, type]) => {
  const data = new DataTransfer();
  for (const [name, content, kind] of files) {
    data.items.add(new File([Uint8Array.from(atob(content), (char) => char.charCodeAt(0))], name, { type: kind }));
  }
  const options = { bubbles: true, cancelable: true };
  if (type === "paste") document.dispatchEvent(new ClipboardEvent("paste", { ...options, clipboardData: data }));
  else for (const step of ["dragenter", "dragover", "drop"])
    document.body.dispatchEvent(new DragEvent(step, { ...options, dataTransfer: data }));
}"""


def drop(page: Page, files: Mapping[str, bytes], *, kind: str = "image/jpeg") -> None:
    """Drop files onto the page, as a person drags them there."""
    _hand_over(page, files, kind, "drop")


def paste(page: Page, files: Mapping[str, bytes], *, kind: str = "image/jpeg") -> None:
    _hand_over(page, files, kind, "paste")


def _hand_over(page: Page, files: Mapping[str, bytes], kind: str, how: str) -> None:
    contents = [[name, base64.b64encode(data).decode(), kind] for name, data in files.items()]
    page.evaluate(_DISPATCH, [contents, how])


def scenes(count: int, *, first: int = 0, scale: int = 1) -> dict[str, bytes]:
    """So many small landscapes, all different."""
    sky, ground = ("#2f4a7d", "#7d8fc0", "#f0b9a4"), ("#7c80ac", "#2e3960")
    return {
        f"scene-{number}.jpg": drawn(
            Scene(f"scene-{number}.jpg", "", (), "", sky, ground, (240 * scale, (160 + 80 * (number % 2)) * scale)),
            seed=number,
        )
        for number in range(first, first + count)
    }


def until(condition: Callable[[], bool], page: Page) -> None:
    """Let the page go on until something holds that it does not show."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        page.wait_for_timeout(50)


def tiles(page: Page) -> Locator:
    return page.locator("#grid .tile")


def end_of_time(page: Page) -> None:
    """Let the time of the messages on the page be over now."""
    page.evaluate(
        "document.getAnimations().filter((one) => one.animationName === 'run-out').forEach((one) => one.finish())"
    )
