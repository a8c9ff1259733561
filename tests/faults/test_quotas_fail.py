"""Quotas while DynamoDB misbehaves: whatever is lost or repeated, an image counts once."""

import pytest

from tests.conftest import client_beside, settings_beside
from tests.contract.steps import IMAGES, UPLOADS, assert_problem, upload
from tests.faults.proxy import Answer, Call, Fault, FaultProxy
from tests.samples import picture
from tests.server import RunningService

USAGE = "/api/v1/usage"
SIZE = len(picture())
ANNOUNCED = {"filename": "a.jpg", "content_type": "image/jpeg", "file_size": SIZE}


@pytest.mark.parametrize("number", range(1, 5))
@pytest.mark.parametrize("fault", [Fault.LOSE_ANSWER, Fault.LOSE_REQUEST])
def test_a_call_that_is_repeated_counts_once(
    server: RunningService, proxy: FaultProxy, user: str, fault: Fault, number: int
) -> None:
    settings = settings_beside(server, aws_endpoint_url=proxy.url, max_bytes_per_user=100 * SIZE)
    proxy.reset(lambda call: fault if call.number == number else None)
    with client_beside(settings, user) as api:
        image = upload(api)
        assert api.get(USAGE).json()["bytes"] == SIZE
        proxy.reset(lambda call: fault if call.number == number else None)
        assert api.delete(f"{IMAGES}/{image['image_id']}").status_code == 200
        proxy.reset()
        assert api.get(USAGE).json()["bytes"] == 0


def test_uploads_that_meet_at_the_counter_wait_for_each_other(
    server: RunningService, proxy: FaultProxy, user: str
) -> None:
    conflict = Answer(
        400,
        b'{"__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException", "message": "",'
        b' "CancellationReasons": [{"Code": "None"}, {"Code": "TransactionConflict"}]}',
    )

    def collide(call: Call) -> Answer | None:
        return conflict if call.operation == "TransactWriteItems" and call.number < 12 else None

    settings = settings_beside(server, aws_endpoint_url=proxy.url, max_images_per_user=1)
    proxy.reset(collide)
    with client_beside(settings, user) as api:
        assert api.post(UPLOADS, json=ANNOUNCED).status_code == 201
        assert [call.operation for call in proxy.calls] == ["TransactWriteItems"] * 12
        proxy.reset()
        assert_problem(api.post(UPLOADS, json=ANNOUNCED), 429, "quota_exceeded")
