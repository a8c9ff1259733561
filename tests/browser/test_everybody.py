"""The gallery for everybody: keyboard, screen reader, phone, light and dark, little motion; who is there; and /docs."""

import re
from typing import Literal

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit, Visiting
from tests.browser.steps import drop, scenes, tiles
from tests.server import RunningService

PHONE = {"viewport": {"width": 360, "height": 740}, "is_mobile": True, "has_touch": True, "device_scale_factor": 2}


def assert_open_to_all(page: Page) -> None:
    """axe finds nothing (WCAG 2.2 A and AA, and its best practices)."""
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", ["wide", pytest.param("phone", marks=pytest.mark.long)])
def test_axe_finds_no_violation_in_any_state(
    visiting: Visiting, site: RunningService, scheme: Literal["light", "dark"], size: str
) -> None:
    options = PHONE if size == "phone" else {}
    with visiting(site, color_scheme=scheme, reduced_motion="reduce", **options) as visit:
        visit.refusals = {412}
        page = visit.open()
        expect(page.get_by_text("Your gallery starts here")).to_be_visible()
        assert_open_to_all(page)
        drop(page, scenes(3))
        drop(page, {"notes.txt": b"buy milk"}, kind="text/plain")
        expect(page.locator(".upload[data-state=done]")).to_have_count(3)
        expect(tiles(page)).to_have_count(3)
        assert_open_to_all(page)
        page.get_by_role("button", name="Close").click()
        page.get_by_role("button", name="Filters").click()
        page.get_by_label("Type").select_option("JPEG")
        expect(tiles(page)).to_have_count(3)
        assert_open_to_all(page)
        page.get_by_role("button", name="Filters").click()
        page.get_by_role("checkbox", name="Select scene-0.jpg").check(force=True)
        page.get_by_role("button", name="Account").click()
        assert_open_to_all(page)
        page.keyboard.press("Escape")
        page.get_by_role("button", name="Clear the selection").click()
        page.get_by_role("link", name="scene-0.jpg").click()
        expect(page.locator(".photo.loaded")).to_be_visible()
        if size == "phone":
            page.get_by_role("button", name="Details").click()
        assert_open_to_all(page)
        page.get_by_role("button", name="Edit").click()
        page.get_by_label("Title").fill("Mine")
        assert_open_to_all(page)
        image = next(image for image in visit.stored() if image["filename"] == "scene-0.jpg")
        visit.api.patch(f"/api/v1/images/{image['image_id']}", json={"title": "Theirs"})
        page.get_by_role("button", name="Save").click()
        expect(page.get_by_role("dialog", name="Edited in the meantime")).to_be_visible()
        assert_open_to_all(page)
        visit.keep_picture(f"conflict-{size}-{scheme}")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_no_violation_where_one_signs_in(
    visiting: Visiting, site: RunningService, scheme: Literal["light", "dark"]
) -> None:
    with visiting(site, is_signed_in=False, color_scheme=scheme, reduced_motion="reduce") as visit:
        page = visit.open()
        expect(page.get_by_role("dialog", name="Welcome to your gallery")).to_be_visible()
        assert_open_to_all(page)


def test_everything_is_reached_by_keyboard(visit: Visit) -> None:
    for name, data in scenes(3).items():
        visit.upload(data, name)
    page = visit.open()
    expect(tiles(page)).to_have_count(3)
    names = []
    for _ in range(8):
        page.keyboard.press("Tab")
        names.append(page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.innerText.trim()"))
    assert names[:6] == ["Skip to the images", "Gallery", "Search your images", "Filters", "Upload", "Account"]
    expect(page.get_by_role("checkbox", name="Select scene-2.jpg")).to_be_focused()
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("link", name="scene-1.jpg")).to_be_focused()
    page.keyboard.press("x")
    expect(page.get_by_text("1 image selected")).to_be_visible()
    page.keyboard.press("End")
    page.keyboard.press(" ")
    expect(page.get_by_text("2 images selected")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("toolbar")).to_be_hidden()
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(page.get_by_role("dialog")).to_have_accessible_name("scene-2.jpg")
    page.keyboard.press("e")
    expect(page.get_by_label("Title")).to_be_focused()
    page.keyboard.type("Typed with no mouse")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_role("heading", name="Typed with no mouse")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("Delete")
    expect(tiles(page)).to_have_count(2)
    page.keyboard.press("Control+z")
    expect(tiles(page)).to_have_count(3)


def test_a_row_up_and_down_is_one_key(visit: Visit) -> None:
    for name, data in scenes(12).items():
        visit.upload(data, name)
    page = visit.open()
    expect(tiles(page)).to_have_count(12)
    top = "document.activeElement.getBoundingClientRect().top + scrollY"
    page.get_by_role("link", name="scene-11.jpg").focus()
    first = page.evaluate(top)
    page.keyboard.press("ArrowDown")
    assert page.evaluate(top) > first
    page.keyboard.press("ArrowUp")
    assert page.evaluate(top) == first


def test_on_a_phone_everything_fits_and_is_large_enough_to_touch(visiting: Visiting, site: RunningService) -> None:
    with visiting(site, **PHONE) as visit:
        for name, data in scenes(6).items():
            visit.upload(data, name, title="A title that is long enough not to fit on any phone at all, however wide")
        page = visit.open()
        expect(tiles(page)).to_have_count(6)
        page.get_by_role("button", name="Filters").tap()
        assert page.evaluate("document.documentElement.scrollWidth") == 360
        small = page.locator("button:visible, select:visible").evaluate_all(
            "(all) => all.filter((one) => Math.min(one.offsetWidth, one.offsetHeight) < 24).map((one) => one.outerHTML)"
        )
        assert small == []
        visit.keep_picture("phone")
        tiles(page).first.get_by_role("link").tap()
        expect(page.locator(".photo.loaded")).to_be_visible()
        page.get_by_role("button", name="Details").tap()
        expect(page.get_by_role("heading", name=re.compile("A title"))).to_be_in_viewport()
        expect(page.locator(".photo")).to_be_in_viewport(ratio=0.9)
        visit.keep_picture("phone-details")


def test_a_finger_selects_by_holding(visiting: Visiting, site: RunningService) -> None:
    with visiting(site, **PHONE) as visit:
        for name, data in scenes(2).items():
            visit.upload(data, name)
        page = visit.open()
        box = tiles(page).first.bounding_box()
        assert box is not None
        finger = page.context.new_cdp_session(page)
        point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [point]})
        expect(page.get_by_text("1 image selected")).to_be_visible()
        finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        tiles(page).nth(1).get_by_role("link").tap()
        expect(page.get_by_text("2 images selected")).to_be_visible()
        expect(page.get_by_role("dialog")).to_be_hidden()


def test_who_wants_little_motion_gets_none(visiting: Visiting, site: RunningService) -> None:
    with visiting(site, reduced_motion="reduce") as visit:
        for name, data in scenes(2).items():
            visit.upload(data, name)
        page = visit.open()
        tiles(page).first.get_by_role("link").click()
        expect(page.locator(".photo.loaded")).to_be_visible()
        lasting = "document.getAnimations().filter((one) => one.effect.getComputedTiming().duration > 1).length"
        assert page.evaluate(lasting) == 0


def test_the_theme_is_chosen_and_stays(visit: Visit) -> None:
    page = visit.open()
    background = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(background)
    page.get_by_role("button", name="Account").click()
    page.get_by_text("Dark", exact=True).click()
    dark = page.evaluate(background)
    assert dark != light
    page = visit.open()
    assert page.evaluate(background) == dark


@pytest.mark.parametrize("name", ["Alice Smith", "Zoë", "李"])
def test_a_name_that_cannot_be_one_is_refused_in_words(visiting: Visiting, site: RunningService, name: str) -> None:
    with visiting(site, is_signed_in=False) as visit:
        page = visit.open()
        page.get_by_label("Your name").fill(name)
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("alert")).to_have_text(
            "A name may contain letters from A to Z, digits and . _ - @, but no spaces."
        )


def test_one_signs_in_by_name_and_out_again(visiting: Visiting, site: RunningService, user: str) -> None:
    with visiting(site, is_signed_in=False) as visit:
        page = visit.open()
        field = page.get_by_label("Your name")
        expect(field).to_be_focused()
        field.fill("not a name")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_have_text(re.compile("[a-z]"))
        field.fill(user)
        page.keyboard.press("Enter")
        expect(page.get_by_text("Your gallery starts here")).to_be_visible()
        page.reload()
        page.get_by_role("button", name="Account").click()
        expect(page.get_by_text(f"Signed in as {user}")).to_be_visible()
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Your name")).to_be_visible()


def test_one_signs_in_by_token_which_is_forgotten_with_the_tab(
    visiting: Visiting, closed_site: RunningService, token: str, user: str
) -> None:
    with visiting(closed_site, token=token) as visit:
        visit.refusals = {401}
        page = visit.open()
        page.get_by_label("Access token").fill("made up")
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_role("alert")).to_have_text(re.compile("token", re.IGNORECASE))
        page.get_by_label("Access token").fill(token)
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_text("Your gallery starts here")).to_be_visible()
        page.get_by_role("button", name="Account").click()
        expect(page.get_by_text(f"Signed in as {user}")).to_be_visible()
        page.reload()
        expect(page.get_by_text("Your gallery starts here")).to_be_visible()
        assert page.evaluate("JSON.stringify(localStorage)") == "{}"


def test_the_docs_are_reached_work_offline_and_lead_back(visit: Visit) -> None:
    page = visit.open()
    page.get_by_role("button", name="Account").click()
    page.get_by_role("link", name="The API, interactively").click()
    page.locator("#operations-health-limits_get").get_by_role("button").first.click()
    page.get_by_role("button", name="Execute").click()
    expect(page.locator(".live-responses-table")).to_contain_text("max_upload_bytes")
    visit.keep_picture("docs")
    page.get_by_role("link", name="Gallery").click()
    expect(page.get_by_text("Your gallery starts here")).to_be_visible()
