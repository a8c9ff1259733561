"""Every route, asked by everybody who may come: writes docs/access.md.

    .venv/bin/python -m tests.contract.access_table

The routes are the application's own, on an AWS in this process; a test keeps the page equal.
"""

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
import httpx
import jwt
from flask import Flask
from moto import mock_aws

from app.api import create_app
from app.api.openapi import routes
from app.services import build_services
from app.services.aws import AWSClientFactory
from app.services.provision import provision
from tests.conftest import test_settings
from tests.contract.steps import UPLOADS, Json, upload
from tests.samples import picture
from tests.server import ROOT

PAGE = ROOT / "docs" / "access.md"
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
SECRET = "a-secret-for-tests-only-of-32-bytes-or-more"
MARK = "<!-- written by python -m tests.contract.access_table -->"


def bearer(user_id: str, secret: str = SECRET) -> dict[str, str]:
    """Good for a day: it is made when the tests are collected, which may be long before they run."""
    claims = {"iss": "https://issuer.example", "aud": "images", "sub": user_id, "exp": time.time() + 86_400}
    return {"Authorization": f"Bearer {jwt.encode(claims, secret, 'HS256')}"}


IDENTITIES = {
    "owner": bearer("owner"),
    "stranger": bearer("stranger"),
    "nobody": {},
    "forged": bearer("owner", SECRET[::-1]),
    "header": {"X-User-ID": "owner"},
}


@contextmanager
def application() -> Iterator[Flask]:
    """The application with tokens, on an AWS in this process."""
    settings = test_settings(
        auth_mode="jwt",
        jwt_issuer="https://issuer.example",
        jwt_audience="images",
        jwt_key=SECRET,
        jwt_algorithms="HS256",
    )
    with mock_aws():
        list(provision(AWSClientFactory(settings), settings))
        yield create_app(settings, build_services(settings))


def asked(app: Flask) -> Iterator[tuple[str, str]]:
    """Every method of every route."""
    for rule, _ in routes(app):
        for method in METHODS:
            if method in (rule.methods or ()):
                yield method, rule.rule


def outcome(app: Flask, owner: httpx.Client, method: str, rule: str, identity: dict[str, str]) -> str:
    """The status, and where it is refused the code."""
    path, arguments = request_for(owner, method, rule)
    transport = httpx.WSGITransport(app)
    with httpx.Client(base_url="http://in-process", transport=transport, headers=identity) as client:
        answer = client.request(method, path, **arguments)
    if answer.status_code < 400 or method == "HEAD":
        return str(answer.status_code)
    return f"{answer.status_code} `{answer.json()['code']}`"


def request_for(owner: httpx.Client, method: str, rule: str) -> tuple[str, Json]:
    """A right request, for an image of the owner made for it, where the route is about one."""
    if rule.startswith("/api/v1/thumbnails/"):
        return upload(owner)["thumbnail_url"], {}
    if "image_id>" in rule:
        image = announced(owner) if rule.startswith(UPLOADS) else upload(owner)
        path = rule.replace("<image_id:image_id>", image["image_id"]).replace("<image_id>", image["image_id"])
        return path, {"json": {"title": "edited"}} if method in {"PATCH", "PUT"} else {}
    if method == "POST" and rule == UPLOADS:
        return rule, {"json": {"filename": "a.jpg", "content_type": "image/jpeg", "file_size": 7}}
    if method == "POST" and rule.endswith("batch-delete"):
        return rule, {"json": {"image_ids": [upload(owner)["image_id"]]}}
    if method == "POST":
        return rule, {"content": picture(), "headers": {"Content-Type": "image/jpeg"}}
    return a_file(owner) if rule.startswith("/gallery/") else rule.replace("<name>", "docs.js"), {}


def a_file(owner: httpx.Client) -> str:
    """The first of those that the gallery's page loads."""
    found = re.search(r'"(/gallery/[^"]+)"', owner.get("/").text)
    assert found is not None
    return found[1]


def announced(owner: httpx.Client) -> Json:
    """A direct upload that has not come yet."""
    body = {"filename": "a.jpg", "content_type": "image/jpeg", "file_size": len(picture())}
    image: Json = owner.post(UPLOADS, json=body).json()["image"]
    return image


def table() -> str:
    """What stands behind the mark."""
    lines = ["", f"| route | {' | '.join(IDENTITIES)} |", f"| --- |{' --- |' * len(IDENTITIES)}"]
    with application() as app:
        transport = httpx.WSGITransport(app)
        with httpx.Client(base_url="http://in-process", transport=transport, headers=IDENTITIES["owner"]) as owner:
            for method, rule in asked(app):
                cells = [outcome(app, owner, method, rule, identity) for identity in IDENTITIES.values()]
                shown = re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule)
                lines.append(f"| {' | '.join([f'`{method} {shown}`', *cells])} |")
    return "\n".join([*lines, ""])


@click.command()
def main() -> None:
    """Write the table into the page."""
    PAGE.write_text(PAGE.read_text().partition(MARK)[0] + MARK + "\n" + table())


if __name__ == "__main__":
    main()
