import httpx

from app.api import create_app
from app.services import Services, build_services
from app.settings import Settings
from tests.contract.steps import IMAGES, assert_problem
from tests.samples import picture


def test_an_upload_for_which_there_is_no_memory_is_told_to_come_again(
    services: Services, own_settings: Settings
) -> None:
    settings = own_settings.model_copy(update={"decode_wait_seconds": 0.0})
    services = build_services(settings)
    transport = httpx.WSGITransport(create_app(settings, services))
    with httpx.Client(base_url="http://in-process", headers={"X-User-ID": "alice"}, transport=transport) as api:
        with services.inspector.budget.admitted(settings.decode_memory_bytes):
            refused = api.post(IMAGES, content=picture(), headers={"Content-Type": "image/jpeg"})
            assert_problem(refused, 503, "overloaded")
            assert int(refused.headers["Retry-After"]) > 0
        assert api.get(IMAGES).json()["count"] == 0
        assert api.post(IMAGES, content=picture(), headers={"Content-Type": "image/jpeg"}).status_code == 201
