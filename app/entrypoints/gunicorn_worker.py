"""gunicorn's threaded worker, answering what is not HTTP in the format of all other failures."""

import json
import logging
import socket
import uuid
from http import HTTPStatus
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

log = logging.getLogger(__name__)


class ProblemWorker(ThreadWorker):
    """Requests that gunicorn itself refuses never reach the app; they get problem+json (RFC 9457) here."""

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        """Let gunicorn decide on the status, and say it in our words: its own repeat the client's bytes."""
        refusal = _Refusal()
        super().handle_error(req, refusal, addr, exc)
        try:
            client.settimeout(1)
            client.sendall(_problem(refusal.status()))
        except OSError as error:
            log.debug("refused client is gone", extra={"cause": str(error)})


class _Refusal:
    """Stands in for the connection while gunicorn writes its answer."""

    def __init__(self) -> None:
        self._written = b""

    def gettimeout(self) -> float:
        return 0.0

    def sendall(self, data: bytes) -> None:
        self._written += data

    def status(self) -> HTTPStatus:
        """The status of the answer: what follows the version in its first line."""
        return HTTPStatus(int(self._written.split(b" ", 2)[1]))


def _problem(status: HTTPStatus) -> bytes:
    code = "invalid_request" if status < 500 else "internal_error"
    request_id = uuid.uuid4().hex
    body = json.dumps(
        {
            "type": f"urn:image-storage:problem:{code}",
            "title": status.phrase,
            "status": status.value,
            "detail": "The request is not valid HTTP, or larger than this server reads.",
            "code": code,
            "request_id": request_id,
        }
    )
    return (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        "Content-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"X-Request-ID: {request_id}\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Connection: close\r\n\r\n"
        f"{body}"
    ).encode()
