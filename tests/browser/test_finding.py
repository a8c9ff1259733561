"""Finding images: the search, the filters, the address bar, and the grid without end."""

import json
import re
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import Visit
from tests.browser.steps import scenes, tiles, until
from tests.samples import picture

# How far things have moved by themselves since the page was opened; without an entry the observer is not called.
LAYOUT_SHIFT = """() => new Promise((resolve) => {
  const sum = (list) => list.getEntries().reduce((all, entry) => all + entry.value, 0);
  new PerformanceObserver((list) => resolve(sum(list))).observe({ type: "layout-shift", buffered: true });
  setTimeout(() => resolve(0), 300);
})"""


@pytest.fixture
def album(visit: Visit) -> Visit:
    """Four images with titles and tags."""
    texts = [
        ("Evening tide", "sea,sunset"),
        ("Winter sea", "sea,winter"),
        ("Larches", "forest"),
        ("Dunes", "sand,sunset"),
    ]
    for (title, tags), (name, data) in zip(texts, scenes(4).items(), strict=True):
        visit.upload(data, name, title=title, tags=tags)
    visit.upload(picture("PNG"), "diagram.png", title="Diagram")
    return visit


def test_a_search_shows_what_matches_and_its_link_shows_the_same(album: Visit) -> None:
    page = album.open()
    expect(tiles(page)).to_have_count(5)
    page.keyboard.press("/")
    page.keyboard.type("sea")
    expect(tiles(page)).to_have_count(2)
    expect(page).to_have_url(re.compile(r"\?q=sea$"))
    again = album.open("?q=sea")
    expect(tiles(again)).to_have_count(2)
    expect(again.get_by_label("Search your images")).to_have_value("sea")
    again.get_by_label("Search your images").fill("sea nonsense")
    expect(again.get_by_text("Nothing found")).to_be_visible()
    album.keep_picture("nothing-found")
    again.get_by_role("button", name="Clear search and filters").click()
    expect(tiles(again)).to_have_count(5)


def test_tags_are_offered_while_they_are_typed_and_combine(album: Visit) -> None:
    page = album.open()
    page.get_by_role("button", name="Filters").click()
    field = page.get_by_role("combobox", name="Tags", exact=True)
    field.press_sequentially("s")
    expect(page.get_by_role("listbox").get_by_role("option")).to_have_text(["sand", "sea", "sunset"])
    album.keep_picture("suggestions")
    field.press("ArrowDown")
    field.press("ArrowDown")
    expect(page.get_by_role("option", name="sea")).to_have_attribute("aria-selected", "true")
    field.press("Enter")
    expect(tiles(page)).to_have_count(2)
    field.press_sequentially("sun")
    page.get_by_role("option", name="sunset").click()
    expect(tiles(page)).to_have_count(1)
    page.get_by_label("Tags match").select_option("At least one")
    expect(tiles(page)).to_have_count(3)
    expect(page).to_have_url(re.compile(r"\?tag=sea&tag=sunset&match=any$"))
    page.get_by_role("button", name="Without #sea").click()
    expect(page).to_have_url(re.compile(r"\?tag=sunset$"))
    page.go_back()
    expect(tiles(page)).to_have_count(3)


def test_type_dates_and_order_are_in_the_address_too(album: Visit) -> None:
    page = album.open("?type=image/png")
    expect(tiles(page)).to_have_count(1)
    expect(page.locator("#filter-type")).to_have_value("image/png")
    page = album.open("?until=2001-01-01")
    expect(page.get_by_text("Nothing found")).to_be_visible()
    page = album.open("?from=2001-01-01&order=asc")
    expect(tiles(page).first.get_by_role("link")).to_have_accessible_name("Evening tide")
    page.get_by_role("button", name="Filters").click()
    page.get_by_label("Order").select_option("Newest first")
    expect(tiles(page).first.get_by_role("link")).to_have_accessible_name("Diagram")
    expect(page).to_have_url(re.compile(r"\?from=2001-01-01$"))


def test_an_address_that_names_nonsense_shows_everything(album: Visit) -> None:
    page = album.open("?type=text/html&from=yesterday&order=up&match=some&q=%20")
    expect(tiles(page)).to_have_count(5)
    page = album.open("?from=2026-13-45&until=9999-12-31&image=../../../health%23")
    expect(tiles(page)).to_have_count(5)
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_a_tag_is_found_whatever_it_holds(visit: Visit) -> None:
    for tag, (name, data) in zip(("paris, france", "paris", "[old]"), scenes(3).items(), strict=True):
        visit.upload(data, name, title=tag, tags=json.dumps([tag]))
    for tag in ("paris, france", "paris", "[old]"):
        page = visit.open(f"?{urlencode({'tag': tag})}")
        expect(tiles(page)).to_have_count(1)
        expect(tiles(page).get_by_role("link")).to_have_accessible_name(tag)


def test_the_grid_goes_on_as_it_is_scrolled_and_nothing_moves_while_pictures_come(visit: Visit) -> None:
    for number in range(45):
        visit.upload(picture(size=(60 + number, 90), seed=number), f"{number}.jpg")
    held: list[Route] = []
    visit.page.route(re.compile("cursor="), lambda route: held.append(route))
    page = visit.open()
    expect(tiles(page).first).to_have_class(re.compile("loaded"))
    for _ in range(6):
        page.mouse.wheel(0, 2000)
    shown = tiles(page).filter(visible=True).last
    expect(shown).to_be_in_viewport()
    expect(shown).to_have_class(re.compile("loaded"))
    until(lambda: len(held) == 1, page)
    held[0].continue_()
    expect(tiles(page).filter(visible=True)).to_have_count(45)
    names = page.locator("#grid img").evaluate_all("(images) => images.map((image) => image.alt)")
    assert names == [f"{number}.jpg" for number in reversed(range(45))]
    assert page.evaluate(LAYOUT_SHIFT) < 0.01


def test_tiles_show_a_blur_until_the_picture_is_there_and_load_no_more_than_they_show(visit: Visit) -> None:
    visit.upload(picture(size=(2000, 1500)), "large.jpg")
    page = visit.page
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/thumbnails/" in request.url else None)
    held: list[Route] = []
    page.route("**/api/v1/thumbnails/**", lambda route: held.append(route))
    visit.open()
    canvas = tiles(page).locator("canvas")
    expect(canvas).to_have_js_property("width", 32)
    assert canvas.evaluate("(canvas) => canvas.getContext('2d').getImageData(16, 12, 1, 1).data[3]") == 255
    until(lambda: len(held) == 1, page)
    expect(tiles(page)).not_to_have_class(re.compile("loaded"))
    held[0].continue_()
    expect(tiles(page)).to_have_class(re.compile("loaded"))
    assert len(asked) == 1
    assert re.search(r"/(256|512)x-contain", asked[0])


def test_what_moves_is_marked_whatever_its_format(visit: Visit) -> None:
    for kind in ("GIF", "PNG", "WEBP"):
        visit.upload(picture(kind, frames=2), f"turning.{kind}")
    visit.upload(picture(), "still.jpg")
    page = visit.open()
    expect(tiles(page).locator(".tile-mark")).to_have_text(["Animated"] * 3)


def test_where_the_list_fails_it_says_so_and_tries_again(visit: Visit) -> None:
    visit.refusals = {503}
    problem = '{"status": 503, "code": "backend_unavailable", "detail": "The store does not answer."}'
    visit.page.route("**/api/v1/images?*", lambda route: route.fulfill(status=503, body=problem), times=1)
    page = visit.open()
    expect(page.get_by_text("The store does not answer.")).to_be_visible()
    visit.keep_picture("failed")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_text("Your gallery starts here")).to_be_visible()
