"""Uploading: by drop, picker and paste; with progress, refusals, duplicates, and a connection that goes away."""

import hashlib
import re

from playwright.sync_api import APIResponse, Dialog, Route, expect

from tests.browser.conftest import Visit, Visiting
from tests.browser.steps import drop, paste, scenes, tiles, until
from tests.samples import picture
from tests.server import RunningService

SLOW = {"offline": False, "latency": 5, "downloadThroughput": 4_000_000, "uploadThroughput": 150_000}
WATCH = """() => {
  const busy = ["reading", "sending", "checking"];
  window.seen = { titles: new Set(), parts: new Set(), most: 0 };
  new MutationObserver(() => {
    seen.titles.add(document.querySelector(".uploads-title")?.textContent);
    const bars = [...document.querySelectorAll(".upload progress")].map((bar) => bar.value);
    for (const value of bars) if (value > 0 && value < 1) seen.parts.add(value);
    const active = [...document.querySelectorAll(".upload")].filter((row) => busy.includes(row.dataset.state));
    seen.most = Math.max(seen.most, active.length);
  }).observe(document.querySelector("#uploads"), { subtree: true, childList: true, attributes: true });
}"""


def slow_down(visit: Visit) -> None:
    visit.page.context.new_cdp_session(visit.page).send("Network.emulateNetworkConditions", SLOW)


def test_five_photos_dropped_go_to_the_bucket_three_at_a_time_with_progress_seen(
    visit: Visit, site: RunningService
) -> None:
    page = visit.open()
    expect(page.get_by_text("Your gallery starts here")).to_be_visible()
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method in {"PUT", "POST"} else None)
    page.evaluate(WATCH)
    slow_down(visit)
    drop(page, scenes(5, scale=5))
    page.locator(".upload[data-state=sending]").first.wait_for()
    visit.keep_picture("uploading")
    expect(page.get_by_role("heading", name="5 images added")).to_be_visible()
    expect(tiles(page)).to_have_count(5)
    seen = page.evaluate("({ titles: [...seen.titles], parts: seen.parts.size, most: seen.most })")
    assert "Uploading 1 of 5" in seen["titles"]
    assert "Uploading 5 of 5" in seen["titles"]
    assert seen["parts"] > 5
    assert seen["most"] == 3
    assert len([url for url in sent if url.startswith(site.endpoint_url)]) == 5
    assert {image["filename"] for image in visit.stored()} == set(scenes(5))
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("region", name="Uploads")).to_be_hidden()


def test_where_the_bucket_lets_no_page_in_the_service_takes_the_upload(
    visiting: Visiting, closed_site: RunningService, token: str
) -> None:
    with visiting(closed_site, token=token) as visit:
        visit.lost = True  # so the browser calls a request that the bucket's CORS rules forbid
        page = visit.open()
        page.get_by_label("Access token").fill(token)
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_text("Your gallery starts here")).to_be_visible()
        drop(page, scenes(2))
        expect(page.get_by_role("heading", name="2 images added")).to_be_visible()
        assert [image["status"] for image in visit.stored()] == ["UPLOADED", "UPLOADED"]


def test_pictures_are_pasted_and_picked(visit: Visit) -> None:
    page = visit.open()
    paste(page, scenes(1))
    expect(tiles(page)).to_have_count(1)
    ((name, data),) = scenes(1, first=1).items()
    with page.expect_file_chooser() as chooser:
        page.get_by_role("button", name="Upload").click()
    chooser.value.set_files({"name": name, "mimeType": "image/jpeg", "buffer": data})
    expect(tiles(page)).to_have_count(2)


def test_what_is_refused_is_refused_in_words(visit: Visit) -> None:
    visit.refusals = {409, 415, 422}
    page = visit.open()
    drop(page, {"half.jpg": picture(size=(400, 300))[:2000]})
    drop(page, {"notes.txt": b"buy milk"}, kind="text/plain")
    drop(page, {"fake.png": b"not at all a picture"}, kind="")
    rows = page.locator(".upload[data-state=refused]")
    expect(rows).to_have_count(3)
    expect(rows.filter(has_text="notes.txt")).to_contain_text("Only JPEG, PNG, GIF and WebP images can be uploaded.")
    expect(rows.filter(has_text="half.jpg").locator(".upload-text")).to_have_text(re.compile(r"image", re.IGNORECASE))
    expect(rows.filter(has_text="fake.png").locator(".upload-text")).to_have_text(re.compile(r"JPEG"))
    expect(page.get_by_role("heading", name="3 not added")).to_be_visible()
    visit.keep_picture("refused")
    assert visit.stored() == []


def test_a_file_that_is_there_already_is_noticed_and_the_person_chooses(visit: Visit) -> None:
    ((name, data),) = scenes(1).items()
    visit.upload(data, name, title="The first one")
    page = visit.open()
    drop(page, {"copy.jpg": data})
    row = page.locator(".upload")
    expect(row).to_contain_text("You already have this image: “The first one”")
    visit.keep_picture("duplicate")
    row.get_by_role("button", name="Skip").click()
    expect(row).to_have_attribute("data-state", "cancelled")
    assert len(visit.stored()) == 1
    drop(page, {"another.jpg": data})
    page.get_by_role("button", name="Keep both").click()
    expect(tiles(page)).to_have_count(2)
    assert len({image["sha256"] for image in visit.stored()}) == 1


def test_a_file_is_looked_for_by_one_request_whatever_is_shown(visit: Visit) -> None:
    for name, data in scenes(3, first=1).items():
        visit.upload(data, name)
    ((name, data),) = scenes(1).items()
    page = visit.open()
    expect(tiles(page)).to_have_count(3)
    visit.upload(data, name, title="Past the page")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/api/v1/images?" in request.url else None)
    drop(page, {"copy.jpg": data})
    expect(page.locator(".upload")).to_contain_text("You already have this image: “Past the page”")
    (url,) = asked
    assert f"sha256={hashlib.sha256(data).hexdigest()}" in url


def test_what_is_being_deleted_may_be_uploaded_again(visit: Visit) -> None:
    ((name, data),) = scenes(1).items()
    visit.upload(data, name, title="Beach")
    page = visit.open()
    page.get_by_role("link", name="Beach").focus()
    page.keyboard.press("Delete")
    expect(page.get_by_role("button", name="Undo")).to_be_visible()
    assert len(visit.stored()) == 1
    drop(page, {"again.jpg": data})
    expect(page.locator(".upload[data-state=done]")).to_have_count(1)


def test_the_same_file_twice_in_one_drop_is_sent_once(visit: Visit) -> None:
    ((_, data),) = scenes(1).items()
    page = visit.open()
    drop(page, {"one.jpg": data, "two.jpg": data})
    expect(page.locator(".upload[data-state=asking]")).to_have_count(1)
    expect(page.locator(".upload[data-state=done]")).to_have_count(1)
    assert len(visit.stored()) == 1


def test_an_upload_is_cancelled_and_nothing_of_it_stays(visit: Visit) -> None:
    page = visit.open()
    slow_down(visit)
    drop(page, {"large.jpg": picture(size=(3000, 2000), quality=100)})
    page.locator(".upload[data-state=sending]").wait_for()
    page.get_by_role("button", name="Cancel large.jpg").click()
    expect(page.locator(".upload")).to_have_attribute("data-state", "cancelled")
    until(lambda: visit.api.get("/api/v1/images?status=PENDING_UPLOAD").json()["count"] == 0, page)
    assert visit.stored() == []


def test_signing_out_asks_before_it_cancels_uploads(visit: Visit) -> None:
    page = visit.open()
    slow_down(visit)
    drop(page, {f"large-{number}.jpg": picture(size=(3000, 2000 + number), quality=100) for number in range(4)})
    page.locator(".upload[data-state=sending]").first.wait_for()
    page.get_by_role("button", name="Account").click()
    page.once("dialog", lambda dialog: dialog.dismiss())
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("heading", name="Uploading 1 of 4")).to_be_visible()
    asked: list[str] = []

    def agree(dialog: Dialog) -> None:
        asked.append(dialog.message)
        dialog.accept()

    page.once("dialog", agree)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Your name")).to_be_visible()
    assert asked == ["4 uploads will be cancelled. Sign out?"]
    until(lambda: visit.api.get("/api/v1/images?status=PENDING_UPLOAD").json()["count"] == 0, page)
    assert visit.stored() == []


def test_an_upload_that_is_cancelled_while_it_is_announced_stays_nowhere(visit: Visit) -> None:
    page = visit.open()
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/api/v1/uploads", lambda route: held.append((route, route.fetch())))
    drop(page, scenes(1))
    until(lambda: len(held) == 1, page)
    page.get_by_role("button", name="Cancel scene-0.jpg").click()
    expect(page.locator(".upload")).to_have_attribute("data-state", "cancelled")
    ((route, response),) = held
    route.fulfill(response=response)
    until(lambda: visit.api.get("/api/v1/images?status=PENDING_UPLOAD").json()["count"] == 0, page)
    assert visit.stored() == []


def test_an_upload_that_is_cancelled_once_it_is_finished_is_deleted(visit: Visit) -> None:
    visit.refusals = {409}
    page = visit.open()
    held: list[tuple[Route, APIResponse]] = []
    page.route("**/complete", lambda route: held.append((route, route.fetch())))
    drop(page, scenes(1))
    until(lambda: len(held) == 1, page)
    assert len(visit.stored()) == 1
    page.get_by_role("button", name="Cancel scene-0.jpg").click()
    until(lambda: visit.stored() == [], page)


LATE_ANSWERS = """
const add = XMLHttpRequest.prototype.addEventListener;
XMLHttpRequest.prototype.addEventListener = function (name, callback) {
  const later = (event) => {
    if (this.responseURL.includes("/images?")) window.answer = () => callback(event);
    else callback(event);
  };
  add.call(this, name, name === "loadend" ? later : callback);
};
"""


def test_an_upload_through_the_service_that_is_cancelled_once_it_is_finished_is_deleted(
    visiting: Visiting, closed_site: RunningService, token: str
) -> None:
    with visiting(closed_site, token=token) as visit:
        visit.lost = True  # so the browser calls a request that the bucket's CORS rules forbid
        visit.page.add_init_script(LATE_ANSWERS)
        page = visit.open()
        page.get_by_label("Access token").fill(token)
        page.get_by_role("button", name="Continue").click()
        expect(page.get_by_text("Your gallery starts here")).to_be_visible()
        drop(page, scenes(1))
        until(lambda: page.evaluate("'answer' in window"), page)
        assert len(visit.stored()) == 1
        page.get_by_role("button", name="Cancel scene-0.jpg").click()
        page.evaluate("answer()")
        until(lambda: visit.stored() == [], page)


def test_who_has_to_sign_in_again_tries_again_what_was_not_sent(visit: Visit, user: str) -> None:
    visit.refusals = {401}
    page = visit.open()
    body = {"code": "invalid_token", "detail": "The token has expired.", "errors": []}
    page.route("**/api/v1/uploads", lambda route: route.fulfill(status=401, json=body), times=1)
    drop(page, scenes(1))
    page.get_by_label("Your name").fill(user)
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Try scene-0.jpg again").click()
    until(lambda: len(visit.stored()) == 1, page)


def test_who_signs_in_in_another_tab_gets_nothing_of_this_one(visit: Visit) -> None:
    page = visit.open()
    page.evaluate("localStorage.setItem('gallery.user', 'somebody-else')")
    drop(page, scenes(1))
    until(lambda: len(visit.stored()) == 1, page)


def test_who_signs_out_in_one_tab_is_signed_out_of_all(visit: Visit) -> None:
    page = visit.open()
    other = page.context.new_page()
    other.goto(f"{visit.url}/")
    other.get_by_role("button", name="Account").click()
    other.get_by_role("button", name="Sign out").click()
    expect(other.get_by_label("Your name")).to_be_visible()
    expect(page.get_by_label("Your name")).to_be_visible()


def test_what_failed_for_want_of_a_connection_goes_on_when_it_is_back(visit: Visit) -> None:
    visit.lost = True
    page = visit.open()
    expect(page.get_by_text("Your gallery starts here")).to_be_visible()
    page.context.set_offline(True)
    expect(page.get_by_text("You are offline.")).to_be_visible()
    drop(page, scenes(1))
    expect(page.locator(".upload")).to_have_attribute("data-state", "failed")
    visit.keep_picture("offline")
    page.context.set_offline(False)
    expect(page.get_by_text("You are offline.")).to_be_hidden()
    expect(tiles(page)).to_have_count(1)


def let_through_the_service(visit: Visit, size: int) -> None:
    """Have the page believe that files of at most this size can go through the service."""
    limits = visit.api.get("/api/v1/limits").json() | {"max_upload_bytes": size}
    visit.page.route("**/api/v1/limits", lambda route: route.fulfill(json=limits))


def test_a_connection_lost_on_the_way_to_the_bucket_is_called_that_and_the_file_tried_again(
    visit: Visit, site: RunningService
) -> None:
    visit.lost = True
    let_through_the_service(visit, 100)
    page = visit.open()
    drop(page, scenes(1))
    expect(tiles(page)).to_have_count(1)
    page.route(f"{site.endpoint_url}/**", lambda route: route.abort(), times=1)
    drop(page, scenes(1, first=1))
    expect(page.locator(".upload[data-state=failed]")).to_contain_text("could not be reached")
    visit.keep_picture("connection-lost")
    page.get_by_role("button", name="Try scene-1.jpg again").click()
    expect(tiles(page)).to_have_count(2)
    assert visit.api.get("/api/v1/images?status=PENDING_UPLOAD").json()["count"] == 0


def test_a_connection_lost_with_the_first_file_does_not_close_the_way_to_the_bucket(
    visit: Visit, site: RunningService
) -> None:
    visit.lost = True
    let_through_the_service(visit, 100)
    page = visit.open()
    held: list[Route] = []
    page.route(f"{site.endpoint_url}/**", lambda route: held.append(route))
    drop(page, scenes(1))
    until(lambda: len(held) == 1, page)
    page.unroute("**/api/v1/limits")
    page.context.set_offline(True)
    held[0].abort()
    expect(page.locator(".upload")).to_have_attribute("data-state", "failed")
    page.unroute(f"{site.endpoint_url}/**")
    page.context.set_offline(False)
    expect(tiles(page)).to_have_count(1)


def test_an_upload_whose_time_is_over_is_announced_anew_when_it_is_tried_again(
    visit: Visit, site: RunningService
) -> None:
    visit.refusals = {403}
    page = visit.open()
    keys: list[str] = []
    page.on("request", lambda it: keys.extend(it.headers.get("idempotency-key", "").splitlines()))
    over = {"status": 403, "headers": {"Access-Control-Allow-Origin": "*"}}
    page.route(
        f"{site.endpoint_url}/**",
        lambda route: route.fulfill(**over) if route.request.method == "PUT" else route.continue_(),
    )
    drop(page, scenes(1))
    expect(page.locator(".upload[data-state=failed]")).to_contain_text("no longer accepts")
    page.unroute(f"{site.endpoint_url}/**")
    page.get_by_role("button", name="Try scene-0.jpg again").click()
    expect(tiles(page)).to_have_count(1)
    assert len(set(keys)) == 2


def test_what_the_bucket_did_not_take_is_sent_through_the_service_until_it_is_there(
    visit: Visit, site: RunningService
) -> None:
    visit.lost = True
    page = visit.open()
    held: list[Route] = []
    page.route(f"{site.endpoint_url}/**", lambda route: held.append(route))
    drop(page, scenes(2))
    until(lambda: len(held) == 2, page)
    page.route(re.compile(r"/images\?filename="), lambda route: route.abort(), times=1)
    held[0].abort()
    expect(page.locator(".upload[data-state=failed]")).to_have_count(1)
    held[1].continue_()
    expect(page.locator(".upload[data-state=done]")).to_have_count(1)
    page.get_by_role("button", name=re.compile("Try .* again")).click()
    expect(tiles(page)).to_have_count(2)
    assert [image["status"] for image in visit.stored()] == ["UPLOADED", "UPLOADED"]


def test_a_failed_upload_is_tried_again_by_hand(visit: Visit) -> None:
    visit.refusals = {503}
    page = visit.open()
    problem = '{"status": 503, "code": "overloaded", "detail": "The service is busy."}'
    page.route("**/api/v1/uploads", lambda route: route.fulfill(status=503, body=problem), times=1)
    drop(page, scenes(1))
    expect(page.locator(".upload")).to_contain_text("The service is busy.")
    page.get_by_role("button", name="Try scene-0.jpg again").click()
    expect(tiles(page)).to_have_count(1)
