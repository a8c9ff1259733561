"""One image large: looking, editing against others, deleting with second thoughts."""

import re
import uuid
from typing import Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import Visit
from tests.browser.scenery import SCENES, drawn
from tests.browser.steps import end_of_time, scenes, tiles, until
from tests.samples import picture


@pytest.fixture
def image(visit: Visit) -> dict[str, Any]:
    scene = SCENES[0]
    return visit.upload(drawn(scene, seed=0), scene.filename, title="Ridge", tags="dawn", location="Dolomites")


def opened(visit: Visit, image: dict[str, Any]) -> Page:
    page = visit.open(f"?image={image['image_id']}")
    expect(page.locator(".photo.loaded")).to_be_visible()
    return page


def edited_elsewhere(visit: Visit, image: dict[str, Any], **changes: object) -> None:
    assert visit.api.patch(f"/api/v1/images/{image['image_id']}", json=changes).status_code == 200


def stored(visit: Visit, image: dict[str, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = visit.api.get(f"/api/v1/images/{image['image_id']}/metadata").json()
    return answer


def test_what_is_known_of_an_image_stands_beside_it(visit: Visit, image: dict[str, Any]) -> None:
    page = opened(visit, image)
    facts = page.get_by_role("complementary", name="Details")
    for text in ("Ridge", "Dolomites", "#dawn", "1,500", "1.5 MP", "JPEG", "ridge-at-dawn.jpg", image["sha256"][:16]):
        expect(facts).to_contain_text(text)
    expect(facts.locator("dl")).to_contain_text("Jan 1, 2026, 7:30")
    visit.keep_picture("large")
    facts.get_by_role("button", name="#dawn").click()
    expect(page).to_have_url(re.compile(r"\?tag=dawn$"))
    expect(tiles(page)).to_have_count(1)


def test_the_keys_walk_zoom_and_leave(visit: Visit, image: dict[str, Any]) -> None:
    for name, data in scenes(2).items():
        visit.upload(data, name)
    page = visit.open()
    page.get_by_role("link", name="scene-1.jpg").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_have_accessible_name("scene-1.jpg")
    expect(dialog.get_by_role("button", name="Previous image")).to_be_hidden()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(dialog).to_have_accessible_name("Ridge")
    expect(page).to_have_url(re.compile(image["image_id"]))
    expect(dialog.get_by_role("button", name="Next image")).to_be_hidden()
    page.keyboard.press("z")
    expect(dialog.get_by_role("button", name="Zoom")).to_have_attribute("aria-pressed", "true")
    expect(page.locator(".photo-full")).to_have_js_property("naturalWidth", 1500)  # from the bucket, in full
    page.keyboard.press("Escape")
    expect(dialog.get_by_role("button", name="Zoom")).to_have_attribute("aria-pressed", "false")
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(page.get_by_role("link", name="Ridge")).to_be_focused()
    expect(page).to_have_url(f"{visit.url}/")


def test_an_edit_is_saved_where_it_is_shown(visit: Visit, image: dict[str, Any]) -> None:
    page = opened(visit, image)
    page.keyboard.press("e")
    page.get_by_label("Title").fill("First light")
    page.get_by_label("Description").fill("An hour above the hut.")
    page.get_by_role("combobox", name="Tags", exact=True).last.press_sequentially("alps,Hut")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("heading", name="First light")).to_be_visible()
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    kept = stored(visit, image)
    assert (kept["title"], kept["description"]) == ("First light", "An hour above the hut.")
    assert (kept["tags"], kept["location"]) == (["dawn", "alps", "hut"], "Dolomites")
    page.keyboard.press("Escape")
    expect(page.get_by_role("link", name="First light")).to_be_visible()


def test_a_tag_in_use_is_taken_as_it_is_though_it_has_a_comma(visit: Visit, image: dict[str, Any]) -> None:
    edited_elsewhere(visit, image, tags=["paris, france"])
    other = visit.upload(picture(), "other.jpg")
    page = opened(visit, other)
    page.keyboard.press("e")
    page.get_by_role("combobox", name="Tags", exact=True).last.press_sequentially("par")
    page.get_by_role("option", name="paris, france").click()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    assert stored(visit, other)["tags"] == ["paris, france"]


def test_who_has_to_sign_in_again_goes_on_with_what_was_typed(visit: Visit, image: dict[str, Any], user: str) -> None:
    visit.refusals = {401}
    page = opened(visit, image)
    page.keyboard.press("e")
    page.get_by_label("Title").fill("First light")
    body = {"code": "invalid_token", "detail": "The token has expired.", "errors": []}
    page.route(f"**/api/v1/images/{image['image_id']}", lambda route: route.fulfill(status=401, json=body), times=1)
    page.get_by_role("button", name="Save").click()
    page.get_by_label("Your name").fill(user)
    page.get_by_role("button", name="Continue").click()
    expect(page.get_by_label("Title")).to_have_value("First light")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    assert stored(visit, image)["title"] == "First light"


def test_an_image_that_was_left_before_it_came_can_be_opened_again(visit: Visit, image: dict[str, Any]) -> None:
    held: list[Route] = []
    page = visit.page
    page.route(f"**/{image['image_id']}/metadata?*", lambda route: held.append(route), times=1)
    visit.open(f"?image={image['image_id']}")
    until(lambda: bool(held), page)
    page.keyboard.press("Escape")
    expect(page.locator("#large")).to_be_hidden()
    with page.expect_response(re.compile("/metadata")):
        held[0].continue_()
    expect(page).to_have_url(f"{visit.url}/")
    page.get_by_role("link", name="Ridge").click()
    expect(page.locator(".photo.loaded")).to_be_visible()


def test_no_more_can_be_typed_than_the_service_takes(visit: Visit, image: dict[str, Any]) -> None:
    limits = {"max_title_length": 6, "max_description_length": 7, "max_location_length": 8, "max_tag_length": 9}
    visit.page.route("**/api/v1/limits", lambda route: route.fulfill(json=limits))
    page = opened(visit, image)
    page.keyboard.press("e")
    for field, limit in zip(("Title", "Description", "Location"), limits.values(), strict=False):
        expect(page.get_by_label(field)).to_have_attribute("maxlength", str(limit))
    expect(page.get_by_role("combobox", name="Tags", exact=True).last).to_have_attribute("maxlength", "9")
    page.keyboard.type("Last light")
    expect(page.get_by_label("Title")).to_have_value("Last l")


def test_what_others_edited_meanwhile_is_shown_beside_mine_to_choose(visit: Visit, image: dict[str, Any]) -> None:
    visit.refusals = {412}
    page = opened(visit, image)
    page.get_by_role("button", name="Edit").click()
    page.get_by_label("Title").fill("Mine")
    page.get_by_label("Location").fill("Sella")
    edited_elsewhere(visit, image, title="Theirs", tags=["dawn", "peaks"])
    page.get_by_role("button", name="Save").click()
    conflict = page.get_by_role("dialog", name="Edited in the meantime")
    expect(conflict.get_by_role("group", name="Title")).to_contain_text("Theirs")
    expect(conflict.get_by_role("group")).to_have_count(3)
    expect(conflict.get_by_role("group", name="Tags").get_by_role("radio", name="Theirs")).to_be_checked()
    visit.keep_picture("conflict")
    conflict.get_by_role("group", name="Title").get_by_role("radio", name="Theirs").check()
    edited_elsewhere(visit, image, description="And again")  # while the person thinks
    conflict.get_by_role("button", name="Save choices").click()
    expect(conflict.get_by_role("group", name="Description")).to_contain_text("And again")
    conflict.get_by_role("button", name="Save choices").click()
    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    kept = stored(visit, image)
    assert (kept["title"], kept["location"]) == ("Theirs", "Sella")
    assert (kept["tags"], kept["description"]) == (["dawn", "peaks"], "And again")


def test_from_a_conflict_one_can_go_back_to_editing(visit: Visit, image: dict[str, Any]) -> None:
    visit.refusals = {412}
    page = opened(visit, image)
    page.keyboard.press("e")
    page.get_by_label("Title").fill("Mine")
    edited_elsewhere(visit, image, title="Theirs")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("dialog", name="Edited in the meantime").get_by_role("button", name="Back to editing").click()
    expect(page.get_by_label("Title")).to_have_value("Mine")
    assert stored(visit, image)["title"] == "Theirs"


def test_going_back_asks_before_it_loses_what_was_edited(visit: Visit, image: dict[str, Any]) -> None:
    page = visit.open()
    page.get_by_role("link", name="Ridge").click()
    expect(page.locator(".photo.loaded")).to_be_visible()
    page.keyboard.press("e")
    page.get_by_label("Title").fill("Mine")
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.go_back()
    expect(page.get_by_label("Title")).to_have_value("Mine")
    page.once("dialog", lambda dialog: dialog.accept())
    page.go_back()
    expect(page.get_by_label("Title")).to_be_hidden()
    expect(page.get_by_role("link", name="Ridge")).to_be_visible()
    assert stored(visit, image)["title"] == "Ridge"


@pytest.mark.parametrize(("word", "before", "after"), [("lake", 1, 1), ("ridge", 0, 1)])
def test_what_is_undone_while_something_else_is_looked_for_is_shown_where_it_belongs(
    visit: Visit, image: dict[str, Any], word: str, before: int, after: int
) -> None:
    visit.upload(picture(seed=8), "lake.jpg", title="Lake")
    page = opened(visit, image)
    page.keyboard.press("Delete")
    page.keyboard.press("Escape")
    page.get_by_label("Search your images").fill(word)
    expect(page).to_have_url(re.compile(f"q={word}"))
    expect(tiles(page)).to_have_count(before)
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("button", name="Undo")).to_be_hidden()
    expect(tiles(page)).to_have_count(after)
    page.get_by_label("Search your images").fill("")
    expect(tiles(page)).to_have_count(2)


def test_a_delete_is_undone(visit: Visit, image: dict[str, Any]) -> None:
    page = opened(visit, image)
    page.keyboard.press("Delete")
    expect(tiles(page)).to_have_count(0)
    visit.keep_picture("undo")
    page.get_by_role("button", name="Undo").click()
    expect(page.get_by_role("link", name="Ridge")).to_be_visible()
    end_of_time(page)
    assert stored(visit, image)["title"] == "Ridge"


def test_several_are_deleted_when_the_time_to_undo_is_over(visit: Visit) -> None:
    for name, data in scenes(4).items():
        visit.upload(data, name)
    page = visit.open()
    expect(page.locator("#grid .loaded")).to_have_count(4)  # what is not painted yet cannot be clicked
    page.get_by_role("checkbox", name="Select scene-3.jpg").check(force=True)
    page.get_by_role("checkbox", name="Select scene-1.jpg").click(modifiers=["Shift"], force=True)
    expect(page.get_by_text("3 images selected")).to_be_visible()
    visit.keep_picture("selection")
    page.get_by_role("toolbar").get_by_role("button", name="Delete").click()
    expect(tiles(page)).to_have_count(1)
    assert len(visit.stored()) == 4
    end_of_time(page)
    until(lambda: [image["filename"] for image in visit.stored()] == ["scene-0.jpg"], page)


def delete_ridge(visit: Visit) -> Page:
    visit.refusals = {404}  # of the picture that is still being loaded, or made, when its image is gone
    page = visit.open()
    page.get_by_role("link", name="Ridge").focus()
    page.keyboard.press("Delete")
    expect(tiles(page)).to_have_count(0)
    return page


def test_a_delete_is_carried_out_when_the_page_is_left(visit: Visit, image: dict[str, Any]) -> None:
    page = delete_ridge(visit)
    page.goto("about:blank")
    until(lambda: visit.stored() == [], page)


def test_a_delete_is_carried_out_before_one_signs_out(visit: Visit, image: dict[str, Any]) -> None:
    page = delete_ridge(visit)
    page.get_by_role("button", name="Account").click()
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Your name")).to_be_visible()
    until(lambda: visit.stored() == [], page)


def test_a_delete_is_carried_out_for_whom_it_was_asked_by(visit: Visit, image: dict[str, Any]) -> None:
    page = delete_ridge(visit)
    page.evaluate("localStorage.setItem('gallery.user', 'somebody-else')")  # as another tab does
    end_of_time(page)
    until(lambda: visit.stored() == [], page)


def test_more_than_one_request_can_delete_are_all_deleted_when_the_page_is_left(
    visit: Visit, image: dict[str, Any]
) -> None:
    resource = stored(visit, image)
    copies = [{**resource, "image_id": str(uuid.UUID(int=number)), "title": str(number)} for number in range(100)]
    page = visit.page
    page.route("**/api/v1/images?*", lambda route: route.fulfill(json={"images": [*copies, resource]}))
    visit.open()
    page.get_by_role("link", name="0", exact=True).focus()
    page.keyboard.press(" ")
    page.keyboard.press("End")
    page.keyboard.press("Shift+ ")
    expect(page.get_by_text("101 images selected")).to_be_visible()
    page.keyboard.press("Delete")
    expect(tiles(page)).to_have_count(0)
    page.goto("about:blank")
    until(lambda: visit.stored() == [], page)


def test_what_could_not_be_deleted_comes_back_with_the_reason(visit: Visit, image: dict[str, Any]) -> None:
    visit.refusals = {503}
    problem = '{"status": 503, "code": "overloaded", "detail": "The service is busy."}'
    page = visit.open()
    page.route("**/api/v1/images/batch-delete", lambda route: route.fulfill(status=503, body=problem))
    page.get_by_role("link", name="Ridge").focus()
    page.keyboard.press("Delete")
    page.get_by_role("button", name="Dismiss").click()
    expect(page.get_by_text("1 image could not be deleted. The service is busy.")).to_be_visible()
    expect(tiles(page)).to_have_count(1)


def test_a_copy_is_downloaded_and_a_link_copied(visit: Visit, image: dict[str, Any]) -> None:
    visit.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = opened(visit, image)
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename == "ridge-at-dawn.jpg"
    assert download.value.path().read_bytes() == drawn(SCENES[0], seed=0)
    page.get_by_role("button", name="Copy link").click()
    expect(page.get_by_text(re.compile("Link copied"))).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    assert visit.api.get(link, headers={"X-User-ID": ""}).content == drawn(SCENES[0], seed=0)


def test_a_link_to_an_image_that_is_gone_says_so(visit: Visit) -> None:
    visit.refusals = {404}
    page = visit.open("?image=00000000-0000-4000-8000-000000000000")
    expect(page.get_by_text("This image does not exist, or was deleted.")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("dialog")).to_be_hidden()
