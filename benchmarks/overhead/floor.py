"""The floor: Flask's empty view plus the bare calls that S3 and DynamoDB must be asked, and nothing else.

A bare call is a request that was written beforehand, over a kept connection, and its answer read to
its end: no signature is computed, nothing is parsed, no failure is thought of. Nothing that is
written in Python with Flask on top of these stores can cost less.
"""

import hashlib
import socket
import threading
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

from flask import Flask, Response, request

from app.imaging import inspect
from app.settings import Settings
from benchmarks.overhead.null_aws import LARGE, SMALL, SMALL_BYTES

PIECE_BYTES = 256 * 1024

_HEAD = (
    "Host: 127.0.0.1\r\n"
    "X-Amz-Date: 20260102T030405Z\r\n"
    "X-Amz-Content-Sha256: UNSIGNED-PAYLOAD\r\n"
    "Authorization: AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20260102/us-east-1/s3/aws4_request, "
    "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=" + "0" * 64 + "\r\n"
)


def create_app(endpoint_url: str, *, checks: bool = False) -> Flask:
    """The same routes as the service's, each with the calls that it cannot do without.

    With `checks` an upload also does what nothing can do without that accepts only whole images and survives a crash:
    it inspects the file, hashes it, and writes its row before the object and after it.
    """
    app = Flask(__name__)
    backend = _Backend(endpoint_url)
    call = backend.call
    row = {key.image.image_id: _dynamodb("GetItem", key.image.image_id) for key in (SMALL, LARGE)}
    stored = {key.image.image_id: _s3("GET", f"images/{key.image.object_key}") for key in (SMALL, LARGE)}
    length = {key.image.image_id: {"Content-Length": str(key.image.file_size)} for key in (SMALL, LARGE)}
    page = {count: _dynamodb("Query", f'"Limit":{count}') for count in (10, 100)}
    put_row = _dynamodb("PutItem", "{}" + " " * 1000)
    answer = b"{}" + b" " * 1000
    limits = Settings().image_limits

    @app.get("/api/v1/images")
    def list_images() -> Response:
        return Response(call(page[int(request.args["limit"])]), mimetype="application/json")

    @app.get("/api/v1/images/<image_id>/metadata")
    def metadata(image_id: str) -> Response:
        call(row[image_id])
        return Response(answer, mimetype="application/json")

    @app.get("/api/v1/images/<image_id>")
    def download(image_id: str) -> Response:
        call(row[image_id])
        if "If-None-Match" in request.headers:
            return Response(status=304)
        return Response(
            backend.stream(stored[image_id]), mimetype="image/png", direct_passthrough=True, headers=length[image_id]
        )

    @app.post("/api/v1/images/upload")
    def upload() -> Response:
        length = request.content_length or 0
        stream = request.environ["wsgi.input"]
        is_large = length > SMALL_BYTES * 2
        body = b"".join(iter(lambda: stream.read(65536), b"")) if is_large else stream.read(length)
        if checks:
            data = (LARGE if is_large else SMALL).data  # as if it had been found in the form
            inspect(data, limits)
            hashlib.sha256(data).hexdigest()
            call(put_row)
        call(_s3("PUT", "images/images/bench/new.png", len(body)), body)
        call(put_row)
        return Response(answer, 201, mimetype="application/json")

    @app.post("/api/v1/uploads")
    def issue() -> Response:
        call(put_row)
        return Response(answer, 201, mimetype="application/json")

    return app


def empty_app() -> Callable[..., object]:
    """Flask's empty view alone."""
    app = Flask(__name__)
    app.add_url_rule("/", view_func=lambda: "")
    return app


class _Backend:
    """One connection a thread."""

    def __init__(self, endpoint_url: str) -> None:
        where = urlsplit(endpoint_url)
        self._address = (where.hostname or "", where.port or 80)
        self._local = threading.local()

    def call(self, head: bytes, body: bytes = b"") -> bytes:
        return b"".join(self.stream(head, body))

    def stream(self, head: bytes, body: bytes = b"") -> Iterator[bytes]:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = socket.create_connection(self._address)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(head)
        if body:
            connection.sendall(body)
        received = connection.recv(PIECE_BYTES)
        end = received.index(b"\r\n\r\n") + 4
        at = received.index(b"Content-Length: ") + 16
        left = int(received[at : received.index(b"\r", at)]) - len(received) + end
        yield received[end:]
        while left:
            received = connection.recv(PIECE_BYTES)
            left -= len(received)
            yield received


def _dynamodb(operation: str, body: str) -> bytes:
    return (
        f"POST / HTTP/1.1\r\n{_HEAD}X-Amz-Target: DynamoDB_20120810.{operation}\r\n"
        f"Content-Type: application/x-amz-json-1.0\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    ).encode()


def _s3(method: str, path: str, length: int = 0) -> bytes:
    return f"{method} /{path} HTTP/1.1\r\n{_HEAD}Content-Length: {length}\r\n\r\n".encode()
