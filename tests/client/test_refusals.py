"""What the client makes of a no, and of answers that are not the service's."""

import pytest

from app.client import Conflict, ImageClient, ImageRefused, NotFound, NotIdentified, Refused, Unavailable
from tests.client.stub import IMAGE_ID, Reply, Stub, problem, resource, shows


def test_a_refusal_is_not_repeated_and_tells_what_is_wrong(client: ImageClient, stub: Stub) -> None:
    refusal = b'{"code": "invalid_request", "detail": "No.", "errors": [{"field": "limit", "message": "is too large"}]}'
    stub.will(Reply(400, refusal, {"Content-Type": "application/problem+json"}))
    with pytest.raises(Refused, match=r"No\. limit is too large") as refused:
        client.page(limit=1000)
    assert (refused.value.code, refused.value.status, refused.value.fields) == (
        "invalid_request",
        400,
        {"limit": "is too large"},
    )
    assert len(stub.asked) == 1


@pytest.mark.parametrize(
    ("status", "code", "failure"),
    [
        (401, "invalid_token", NotIdentified),
        (400, "invalid_user", NotIdentified),
        (404, "image_not_found", NotFound),
        (409, "idempotency_conflict", Conflict),
        (413, "image_too_large", ImageRefused),
        (422, "invalid_image", ImageRefused),
        (500, "internal_error", Refused),
    ],
)
def test_problems_have_names(stub: Stub, status: int, code: str, failure: type[Refused]) -> None:
    stub.will(problem(status, code))
    with ImageClient(stub.url, token="t", retries=0) as client, pytest.raises(failure) as raised:
        client.get(IMAGE_ID)
    assert raised.value.request_id == "r-1"
    assert stub.asked[0].headers["Authorization"] == "Bearer t"


@pytest.mark.parametrize(("status", "code"), [(409, "request_in_progress"), (500, "internal_error")])
def test_a_refusal_tells_whether_an_earlier_attempt_may_have_been_carried_out(
    client: ImageClient, stub: Stub, status: int, code: str
) -> None:
    stub.will(*[problem(status, code)] * 4, problem(404, "image_not_found"))
    with pytest.raises(Refused) as last_of_four:
        client.get(IMAGE_ID)
    with pytest.raises(Refused) as only_one:
        client.get(IMAGE_ID)
    assert (last_of_four.value.repeated, only_one.value.repeated) == (True, False)


@pytest.mark.parametrize("reply", [Reply(200, b"<html>"), Reply(200, b"[]"), Reply(404, b"nginx"), shows({"a": 1})])
def test_another_kind_of_server_is_noticed(client: ImageClient, stub: Stub, reply: Reply) -> None:
    stub.will(reply)
    with pytest.raises(Unavailable, match="Image Storage Service"):
        client.get(IMAGE_ID)


def test_an_id_that_is_none_is_not_taken_for_one(client: ImageClient, stub: Stub) -> None:
    stub.will(shows(resource(image_id="../../../etc/passwd")))
    with pytest.raises(Unavailable):
        client.get(IMAGE_ID)
