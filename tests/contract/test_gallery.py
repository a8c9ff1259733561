"""The gallery as HTTP shows it: what it may do, and that all of it comes from here. tests/browser uses it."""

import re

import httpx
import pytest

from app.api import create_app
from tests.conftest import test_settings


def policy_of(page: httpx.Response) -> dict[str, list[str]]:
    directives = page.headers["Content-Security-Policy"].split("; ")
    return {name: sources for name, *sources in (directive.split() for directive in directives)}


def page_with(**settings: object) -> httpx.Response:
    transport = httpx.WSGITransport(create_app(test_settings(**settings)))
    with httpx.Client(base_url="http://gallery", transport=transport) as client:
        return client.get("/")


def test_nothing_inside_of_the_page_may_run_or_style(nobody: httpx.Client) -> None:
    page = nobody.get("/")
    assert page.status_code == 200
    policy = policy_of(page)
    assert policy["default-src"] == ["'none'"]
    assert policy["script-src"] == policy["style-src"] == ["'self'"]
    assert policy["require-trusted-types-for"] == ["'script'"]
    assert not re.search(r"<style|<script(?![^>]+src=)| style=| on[a-z]+=", page.text)


def test_all_that_the_page_loads_comes_from_here_and_is_kept_for_a_year(nobody: httpx.Client) -> None:
    page = nobody.get("/")
    assert "://" not in page.text
    paths = set(re.findall(r'(?:href|src)="(/gallery/[^"]+)"', page.text))
    assert len(paths) > 20
    for path in paths:
        asset = nobody.get(path)
        assert asset.status_code == 200
        assert asset.headers["Content-Type"].split(";")[0] in {"text/css", "text/javascript", "image/svg+xml"}
        assert asset.headers["Cache-Control"] == "public, max-age=31536000, immutable"


def test_modules_name_only_modules_that_there_are(nobody: httpx.Client) -> None:
    scripts = re.findall(r'modulepreload" href="([^"]+)"', nobody.get("/").text)
    names = {path.rpartition("/")[2] for path in scripts}
    for path in scripts:
        assert set(re.findall(r'from "\./([^"]+)"', nobody.get(path).text)) <= names


@pytest.mark.parametrize(("max_list_limit", "page_size"), [(20, 20), (100, 40)])
def test_the_page_asks_for_no_more_images_at_once_than_it_may(max_list_limit: int, page_size: int) -> None:
    assert f'data-page-size="{page_size}"' in page_with(max_list_limit=max_list_limit).text


@pytest.mark.parametrize("path", ["/gallery/000000000000/js/main.js", "/gallery/x", "/gallery/"])
def test_what_is_of_another_version_is_not_there(nobody: httpx.Client, path: str) -> None:
    assert nobody.get(path).status_code == 404


@pytest.mark.parametrize(
    ("settings", "origin"),
    [
        ({"s3_bucket": "holidays"}, "https://holidays.s3.us-east-1.amazonaws.com"),
        ({"s3_public_endpoint_url": "https://files.example.com:9000/s3"}, "https://files.example.com:9000"),
        ({"aws_endpoint_url": "http://localhost:4566"}, "http://localhost:4566"),
    ],
)
def test_the_page_may_reach_the_service_and_its_bucket_and_nothing_else(
    settings: dict[str, object], origin: str
) -> None:
    policy = policy_of(page_with(**settings))
    assert policy["connect-src"] == ["'self'", origin]
    assert policy["img-src"] == ["'self'", origin, "blob:"]


def test_images_come_from_where_links_lead() -> None:
    policy = policy_of(page_with(public_url="https://images.example.com/v2"))
    assert "https://images.example.com" in policy["img-src"]


@pytest.mark.parametrize(
    ("settings", "identity"),
    [
        ({}, "name"),
        ({"trusted_proxy": True}, "gateway"),
        (
            {
                "auth_mode": "jwt",
                "jwt_issuer": "i",
                "jwt_audience": "a",
                "jwt_key": "k" * 32,
                "jwt_algorithms": "HS256",
            },
            "token",
        ),
    ],
)
def test_the_page_knows_how_callers_are_known(settings: dict[str, object], identity: str) -> None:
    assert f'data-identity="{identity}"' in page_with(**settings).text


def test_under_a_path_everything_is_named_under_that_path() -> None:
    transport = httpx.WSGITransport(create_app(test_settings()), script_name="/dev")
    with httpx.Client(base_url="http://gallery", transport=transport) as client:
        page = client.get("/")
    assert 'data-root="/dev/"' in page.text
    assert 'src="/dev/gallery/' in page.text
