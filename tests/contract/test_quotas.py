"""Quotas, over HTTP, on the real stores: exact also for uploads at once."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from app.settings import Settings
from tests.conftest import client_beside, settings_beside
from tests.contract.steps import IMAGES, UPLOADS, Json, assert_problem, upload
from tests.samples import picture
from tests.server import RunningService

USAGE = "/api/v1/usage"
SIZE = len(picture())
ANNOUNCED = {"filename": "a.jpg", "content_type": "image/jpeg", "file_size": SIZE}
MOST = 6


@pytest.fixture
def processes(server: RunningService, user: str) -> Iterator[list[httpx.Client]]:
    """Two processes, as it were, with the same quota."""
    settings = settings_beside(server, max_images_per_user=MOST)
    clients = [client_beside(settings, user) for _ in range(2)]
    yield clients
    for client in clients:
        client.close()


def test_what_one_has_is_told_also_where_there_is_no_quota(api: httpx.Client) -> None:
    nothing = {"images": 0, "bytes": 0, "max_images": None, "max_bytes": None}
    assert api.get(USAGE).json() == nothing
    image = upload(api)
    api.post(UPLOADS, json=ANNOUNCED)
    assert api.get(USAGE).json() == nothing | {"images": 2, "bytes": 2 * SIZE}
    api.delete(f"{IMAGES}/{image['image_id']}")
    assert api.get(USAGE).json() == nothing | {"images": 1, "bytes": SIZE}
    assert_problem(api.get(USAGE, params={"user_id": "x"}), 400, "invalid_request", "user_id")


def in_one_form(api: httpx.Client) -> httpx.Response:
    return api.post(IMAGES, content=picture(), headers={"Content-Type": "image/jpeg"})


def in_another(api: httpx.Client) -> httpx.Response:
    return api.post(UPLOADS, json=ANNOUNCED)


def test_of_uploads_at_once_exactly_as_many_as_fit_are_taken(processes: list[httpx.Client]) -> None:
    attempts: list[tuple[Callable[[httpx.Client], httpx.Response], httpx.Client]] = [
        (form, api) for form in (in_one_form, in_another) for api in processes for _ in range(MOST // 2)
    ]
    assert len(attempts) == 2 * MOST
    with ThreadPoolExecutor(len(attempts)) as pool:
        answers = list(pool.map(lambda attempt: attempt[0](attempt[1]), attempts))
    taken = [answer for answer in answers if answer.status_code == 201]
    assert len(taken) == MOST
    for answer in answers:
        if answer not in taken:
            assert_problem(answer, 429, "quota_exceeded")
            assert "Retry-After" not in answer.headers
    used = processes[0].get(USAGE).json()
    assert used == {"images": MOST, "bytes": MOST * SIZE, "max_images": MOST, "max_bytes": None}
    pending = processes[0].get(IMAGES, params={"status": "PENDING_UPLOAD"}).json()["count"]
    assert pending + processes[0].get(IMAGES).json()["count"] == MOST


def test_uploads_and_deletes_at_once_leave_the_right_count(processes: list[httpx.Client]) -> None:
    def come_and_go(api: httpx.Client) -> int:
        answer = in_one_form(api)
        if answer.status_code != 201:
            return 0
        path = f"{IMAGES}/{answer.json()['image_id']}"
        with ThreadPoolExecutor(2) as pool:
            return sorted(it.status_code for it in pool.map(lambda _: api.delete(path), range(2))) == [200, 404]

    with ThreadPoolExecutor(8) as pool:
        assert any(pool.map(come_and_go, processes * 8))
    assert processes[0].get(USAGE).json()["images"] == 0


def test_room_that_is_made_can_be_used(processes: list[httpx.Client]) -> None:
    api, other = processes
    images: list[Json] = [in_one_form(api).json() for _ in range(MOST)]
    assert_problem(in_one_form(other), 429, "quota_exceeded")
    assert other.delete(f"{IMAGES}/{images[0]['image_id']}").status_code == 200
    assert in_one_form(api).status_code == 201


def test_the_document_says_so(server: RunningService) -> None:
    def answers(settings: Settings) -> Json:
        with client_beside(settings, "alice") as api:
            found: Json = api.get("/openapi.json").json()["paths"][UPLOADS]["post"]["responses"]
        return found

    assert "quota_exceeded" in answers(settings_beside(server, max_images_per_user=1))["429"]["description"]
    assert "429" not in answers(settings_beside(server))
