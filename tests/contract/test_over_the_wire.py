"""What only a real server and a real emulator can show: framing, presigned URLs, concurrency."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import pytest

from tests.contract.steps import IMAGES, Json, assert_problem, upload
from tests.samples import picture, picture_of_bytes
from tests.server import RunningService


@pytest.fixture
def api(server: RunningService, user: str) -> Iterator[httpx.Client]:
    with server.client(user) as client:
        yield client


def send_raw(server: RunningService, head: str, body: bytes) -> tuple[int, Json]:
    """Send these very bytes, then no more, and read the answer to its end."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n" + body)
        with suppress(OSError):  # the server has answered and closed already
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    header, _, content = answer.partition(b"\r\n\r\n")
    status = int(header.split()[1])
    return status, json.loads(content.split(b"HTTP/1.1")[0] or b"{}")


def head(user: str, **headers: str) -> str:
    lines = {"Host": "x", "X-User-ID": user, "Content-Type": "image/png"} | headers
    return f"POST {IMAGES} HTTP/1.1\n" + "".join(f"{name}: {value}\n" for name, value in lines.items())


def test_a_body_shorter_than_announced_is_refused_and_nothing_stored(
    server: RunningService, api: httpx.Client, user: str
) -> None:
    data = picture("PNG")
    status, problem = send_raw(server, head(user, **{"Content-Length": str(len(data) + 10)}), data)
    assert (status, problem["code"]) == (400, "incomplete_body")
    assert api.get(IMAGES).json()["count"] == 0


@pytest.mark.parametrize("extra", [1, 10, 5000, 100_000])
def test_a_body_longer_than_announced_is_refused_and_nothing_stored(
    server: RunningService, api: httpx.Client, user: str, extra: int
) -> None:
    data = picture_of_bytes(150_000)
    announced = {"Content-Length": str(len(data) - extra), "Connection": "close"}
    status, problem = send_raw(server, head(user, **announced), data)
    assert (status, problem["code"]) == (400, "incomplete_body")
    status, problem = send_raw(server, head(user, **{"Content-Length": str(len(data))}), data + b"x" * extra)
    assert (status, problem["code"]) == (400, "incomplete_body")
    assert api.get(IMAGES).json()["count"] == 0


def test_a_form_shorter_than_announced_is_refused(server: RunningService, api: httpx.Client, user: str) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\n\r\n' + picture("PNG")
    announced = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": str(len(body) + 7)}
    status, problem = send_raw(server, head(user, **announced), body)
    assert (status, problem["code"]) == (400, "incomplete_body")
    assert api.get(IMAGES).json()["count"] == 0


@pytest.mark.parametrize("tail", [b"", b"5\r\nab", b"zz\r\n", b"0\r\n"])
def test_a_chunked_body_that_breaks_off_is_refused(
    server: RunningService, api: httpx.Client, user: str, tail: bytes
) -> None:
    data = picture("PNG")
    body = f"{len(data):x}\r\n".encode() + data + b"\r\n" + tail
    status, problem = send_raw(server, head(user, **{"Transfer-Encoding": "chunked"}), body)
    assert (status, problem["code"]) == (400, "incomplete_body")
    assert api.get(IMAGES).json()["count"] == 0


def test_a_chunked_body_over_the_limit_is_refused_and_not_cut(api: httpx.Client) -> None:
    def endless() -> object:
        yield picture("PNG")
        for _ in range(200):
            yield b"x" * 65536

    response = api.post(IMAGES, content=endless(), headers={"Content-Type": "image/png"})  # type: ignore[arg-type]
    assert (response.status_code, response.json()["code"]) == (413, "image_too_large")
    assert api.get(IMAGES).json()["count"] == 0


def test_a_body_needs_a_length(server: RunningService, user: str) -> None:
    status, problem = send_raw(server, head(user), b"")
    assert (status, problem["code"]) == (411, "length_required")


def test_an_upload_far_over_the_limit_is_answered_and_the_connection_survives(api: httpx.Client) -> None:
    response = api.post(IMAGES, content=b"x" * 30_000_000, headers={"Content-Type": "image/png"})
    assert (response.status_code, response.json()["code"]) == (413, "image_too_large")
    assert api.get(IMAGES).status_code == 200


@pytest.mark.parametrize(
    ("headers", "code"),
    [
        ({"Content-Length": "30000000"}, "image_too_large"),
        ({"Content-Length": "3000", "Content-Type": "text/plain"}, "invalid_request"),
        ({"Transfer-Encoding": "chunked", "Content-Type": "text/plain"}, "invalid_request"),
    ],
)
def test_a_refusal_does_not_wait_for_a_client_that_stalls(
    server: RunningService, user: str, headers: dict[str, str], code: str
) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=15) as connection:
        started = time.monotonic()
        connection.sendall(head(user, **headers).replace("\n", "\r\n").encode() + b"\r\n3e8\r\n" + b"x" * 100)
        answer = b""
        while code.encode() not in answer:
            answer += connection.recv(65536)
        answered = time.monotonic()
        assert connection.recv(65536) == b""
        closed = time.monotonic()
        assert closed - answered > 0.5  # it was not the answer that waited for the rest
        assert closed - started < 5


def test_requests_whose_head_does_not_come_are_dropped(server: RunningService) -> None:
    connections = [socket.create_connection(("127.0.0.1", server.port), timeout=15) for _ in range(3)]
    started = time.monotonic()
    for connection, part in zip(connections, (b"GE", b"GET /health HTTP/1.1\r\nHost:", b"G"), strict=True):
        connection.sendall(part)
    for connection in connections:
        with connection:
            assert connection.recv(100) == b""
    assert 5 < time.monotonic() - started < 14


@pytest.mark.parametrize(
    "request_head",
    [
        "GET /api/v1/images?x=\xfc HTTP/1.1\nHost: x\n",
        "NONSENSE\n",
        "GET / HTTP/9.9\nHost: x\n",
        "GET / HTTP/1.1\nHost: x\nBad Header: y\n",
        "GET / HTTP/1.1\nHost: x\nLong: " + "y" * 9000 + "\n",
        "POST / HTTP/1.1\nHost: x\nContent-Length: 5\nContent-Length: 6\n",
        "POST / HTTP/1.1\nHost: x\nContent-Length: 5\nTransfer-Encoding: chunked\n",
    ],
)
def test_what_is_not_http_is_a_problem_too(server: RunningService, request_head: str) -> None:
    status, problem = send_raw(server, request_head, b"")
    assert 400 <= status < 500
    assert (problem["status"], problem["code"]) == (status, "invalid_request")
    assert problem["request_id"]


@pytest.mark.parametrize(
    ("path", "code"),
    [("/%ff", "not_found"), (f"{IMAGES}/%ff", "image_not_found"), (f"{IMAGES}/%C3/metadata", "image_not_found")],
)
def test_a_path_that_is_no_text_leads_nowhere(api: httpx.Client, path: str, code: str) -> None:
    assert_problem(api.get(path), 404, code)


def test_presigned_urls_work_and_only_as_signed(server: RunningService, api: httpx.Client) -> None:
    data = picture_of_bytes(3000, seed=9)
    image = upload(api, data, filename="Zürich.png")
    url = image["download_url"]
    response = httpx.get(url, trust_env=False)
    assert response.content == data
    assert response.headers["Content-Type"] == "image/png"
    assert response.headers["Content-Disposition"] == "inline; filename*=UTF-8''Z%C3%BCrich.png"
    tampered = url[:-1] + ("0" if url[-1] != "0" else "1")
    assert httpx.get(tampered, trust_env=False).status_code == 403
    if server.has_embedded_emulator:  # LocalStack lets anybody read
        assert httpx.get(url.partition("?")[0], trust_env=False).status_code == 403
    redirected = api.get(f"{IMAGES}/{image['image_id']}", params={"redirect": "true"})
    assert httpx.get(redirected.headers["Location"], trust_env=False).content == data
    api.delete(f"{IMAGES}/{image['image_id']}")
    assert httpx.get(url, trust_env=False).status_code == 404


def test_users_with_every_allowed_character_download_by_presigned_url(server: RunningService, user: str) -> None:
    with server.client(f"{user}.-_@:+=|") as api:
        image = upload(api)
        assert httpx.get(image["download_url"], trust_env=False).content == picture()


def test_uploads_at_once_are_all_stored(api: httpx.Client) -> None:
    with ThreadPoolExecutor(16) as pool:
        made = list(pool.map(lambda seed: upload(api, picture(seed=seed))["image_id"], range(50)))
    listed = api.get(IMAGES, params={"limit": 100}).json()["images"]
    assert sorted(image["image_id"] for image in listed) == sorted(made)


def test_of_edits_of_one_version_at_once_one_succeeds(api: httpx.Client) -> None:
    path = f"{IMAGES}/{upload(api)['image_id']}"

    def edit(number: int) -> int:
        return api.patch(path, json={"title": str(number)}, headers={"If-Match": '"1"'}).status_code

    with ThreadPoolExecutor(20) as pool:
        assert sorted(pool.map(edit, range(20))) == [200] + [412] * 19
    assert api.get(f"{path}/metadata").json()["version"] == 2


def test_edits_at_once_without_a_condition_all_succeed(api: httpx.Client) -> None:
    path = f"{IMAGES}/{upload(api)['image_id']}"
    with ThreadPoolExecutor(20) as pool:
        answers = list(pool.map(lambda number: api.patch(path, json={"title": str(number)}), range(20)))
    assert {answer.status_code for answer in answers} == {200}
    assert sorted(answer.json()["version"] for answer in answers) == list(range(2, 22))


def test_of_deletes_at_once_one_succeeds(api: httpx.Client) -> None:
    path = f"{IMAGES}/{upload(api)['image_id']}"
    with ThreadPoolExecutor(20) as pool:
        statuses = sorted(pool.map(lambda _: api.delete(path).status_code, range(20)))
    assert statuses == [200] + [404] * 19


def test_clients_that_hang_up_leave_nothing_behind(server: RunningService, api: httpx.Client, user: str) -> None:
    image = upload(api, picture_of_bytes(5_000_000))
    for _ in range(60):  # more than there are threads or pooled connections
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            request = f"GET {IMAGES}/{image['image_id']} HTTP/1.1\r\nHost: x\r\nX-User-ID: {user}\r\n\r\n"
            connection.sendall(request.encode())
            connection.recv(1000)
    assert len(api.get(f"{IMAGES}/{image['image_id']}").content) == 5_000_000


def test_a_client_that_speaks_tls_is_one_line_of_the_log(server: RunningService) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n\n" + bytes(500))
        while connection.recv(4096):
            pass
    assert "Logging error" not in server.output()
    assert '"event":"Invalid request from ip=127.0.0.1"' in server.output()
