"""The service with AUTH_MODE=jwt, over HTTP; tests/unit/test_identity.py has what makes a token count."""

import time
from collections.abc import Iterator

import httpx
import jwt
import pytest

from app.api import create_app
from app.services import Services
from app.settings import Settings
from tests.contract.steps import IMAGES, assert_problem, upload

SECRET = "correct-horse-battery-staple-0123456789"


def token(user_id: str, **changes: object) -> str:
    claims = {"iss": "https://issuer.example", "aud": "images", "sub": user_id, "exp": time.time() + 300}
    return jwt.encode(claims | changes, SECRET, "HS256")


@pytest.fixture
def client(own_settings: Settings, services: Services) -> Iterator[httpx.Client]:
    """A client that says nothing of itself."""
    settings = Settings.model_validate(
        own_settings.model_dump()
        | {
            "auth_mode": "jwt",
            "jwt_issuer": "https://issuer.example",
            "jwt_audience": "images",
            "jwt_key": SECRET,
            "jwt_algorithms": "HS256",
        }
    )
    transport = httpx.WSGITransport(create_app(settings, services))
    with httpx.Client(base_url="http://in-process", transport=transport) as made:
        yield made


def test_a_token_names_the_owner(client: httpx.Client) -> None:
    client.headers["Authorization"] = f"Bearer {token('alice')}"
    image = upload(client)
    assert image["user_id"] == "alice"
    client.headers["Authorization"] = f"Bearer {token('bob')}"
    assert_problem(client.get(f"{IMAGES}/{image['image_id']}"), 403, "not_owner")


def test_the_identity_header_counts_for_nothing(client: httpx.Client) -> None:
    response = client.get(IMAGES, headers={"X-User-ID": "alice"})
    problem = assert_problem(response, 401, "missing_user")
    assert "bearer token" in problem["detail"]
    assert response.headers["WWW-Authenticate"] == "Bearer"  # RFC 6750 section 3.1: no error where nothing was sent


def test_a_token_that_does_not_count_is_refused_with_a_challenge(client: httpx.Client) -> None:
    response = client.get(IMAGES, headers={"Authorization": f"Bearer {token('alice', exp=1)}", "X-User-ID": "alice"})
    problem = assert_problem(response, 401, "invalid_token")
    assert response.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    assert "expired" in problem["detail"]


def test_a_token_in_the_query_does_not_count(client: httpx.Client) -> None:
    assert_problem(client.get(IMAGES, params={"access_token": token("alice")}), 401, "missing_user")


def test_the_document_says_how_to_sign_in(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["components"]["securitySchemes"] == {
        "user": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
    }
    refusals = document["paths"]["/api/v1/images"]["get"]["responses"]
    assert refusals["401"]["description"] == "missing_user, invalid_token"
    assert "invalid_user" not in refusals["400"]["description"]
