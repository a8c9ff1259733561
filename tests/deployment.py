"""The service as functions behind API Gateway, deployed by its own command on an emulator that really runs them.

The functions' package holds the service alone: the emulator runs them under the tests' interpreter,
which has what they import.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.server import ENVIRONMENT, ROOT, free_port

STAGE = "dev"
STACK = f"image-storage-{STAGE}"


class Emulator:
    """AWS on a free port, with signatures and the roles' policies enforced, and nothing kept."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._log = directory / "emulator.log"
        self._environment = ENVIRONMENT | {
            "GATEWAY_PORT": str(self.port),
            "BIND_HOST": "127.0.0.1",
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "STATE_DIR": str(directory / "state"),
            "S3_DATA_DIR": str(directory / "s3"),
            "LAMBDA_EXECUTOR": "local",
            "SFTP_ENABLED": "0",
            "IOT_MTLS_ENABLED": "0",
        }
        self._environment.pop("AWS_ENDPOINT_URL", None)

    @contextmanager
    def running(self) -> Iterator["Emulator"]:
        """Entered once it answers."""
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "ministack"], env=self._environment, stdout=log, stderr=log
            )
        try:
            self._wait_for(process)
            yield self
        finally:
            process.terminate()
            process.wait(30)

    def _wait_for(self, process: "subprocess.Popen[bytes]") -> None:
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{self.url}/_ministack/health", trust_env=False)
            except httpx.TransportError:
                assert process.poll() is None, self._log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)
            else:
                return

    def app(self, command: str, *options: str, succeeds: bool = True, directory: Path = ROOT) -> str:
        """Run `python -m app` of a directory against it, and return what it printed."""
        done = subprocess.run(
            [sys.executable, "-m", "app", command, "--stage", STAGE, "--endpoint-url", self.url, *options],
            cwd=directory,
            env=ENVIRONMENT | {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (done.returncode == 0) is succeeds, done.stdout + done.stderr
        return done.stdout + done.stderr

    def deploy(self, *options: str, succeeds: bool = True, directory: Path = ROOT) -> str:
        return self.app("deploy", "--dependencies", "none", *options, succeeds=succeeds, directory=directory)

    @property
    def access(self) -> dict[str, Any]:
        """Arguments for a boto3 client of its owner, whom no policy holds back."""
        return {
            "endpoint_url": self.url,
            "region_name": "us-east-1",
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }

    def client(self, address: str, user_id: str | None) -> httpx.Client:
        """A client of the API that was deployed; its host name goes into a header, as not every resolver knows it."""
        api = httpx.URL(address)
        return client_of(f"{self.url}{api.path}", user_id, host=f"{api.host}:{self.port}")


class _UnderPath(httpx.HTTPTransport):
    """Puts the tests' own paths under that of the service; its links are there already."""

    def __init__(self, prefix: str) -> None:
        super().__init__()
        self._prefix = prefix.encode()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if not request.url.raw_path.startswith(self._prefix + b"/"):
            request.url = request.url.copy_with(raw_path=self._prefix + request.url.raw_path)
        return super().handle_request(request)


def client_of(address: str, user_id: str | None, *, host: str | None = None) -> httpx.Client:
    """A client of a service whose address has a path; `host` is what the header of this name shall say instead."""
    url = httpx.URL(address)
    headers = {name: value for name, value in {"Host": host, "X-User-ID": user_id}.items() if value}
    transport = _UnderPath(url.path.rstrip("/"))
    return httpx.Client(base_url=url.copy_with(path="/"), headers=headers, timeout=60, transport=transport)


def address_in(output: str) -> str:
    """The address that `deploy` prints last."""
    line = output.strip().splitlines()[-1]
    assert line.startswith("The API answers at "), output
    return line.rpartition(" ")[2]
