"""The service as functions behind API Gateway, deployed by its own command on an emulator that really runs them.

The functions' package holds the service alone: the emulator runs them under the tests' interpreter,
which has what they import.
"""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

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

    def start(self) -> "subprocess.Popen[bytes]":
        with self._log.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "ministack"], env=self._environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 30
        while True:
            try:
                httpx.get(f"{self.url}/_ministack/health", trust_env=False)
                return process
            except httpx.TransportError:
                assert process.poll() is None, self._log.read_text()
                assert time.monotonic() < deadline
                time.sleep(0.05)

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

    def client(self, address: str, user_id: str) -> httpx.Client:
        """A client of the API that was deployed; its host name goes into a header, as not every resolver knows it."""
        api = httpx.URL(address)
        headers = {"X-User-ID": user_id, "Host": f"{api.host}:{self.port}"}
        return httpx.Client(base_url=f"{self.url}{api.path}", headers=headers, timeout=60, trust_env=False)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    emulator = Emulator(tmp_path_factory.mktemp("emulator"))
    process = emulator.start()
    yield emulator
    process.terminate()
    process.wait(30)


def address_in(output: str) -> str:
    """The address that `deploy` prints last."""
    line = output.strip().splitlines()[-1]
    assert line.startswith("The API answers at "), output
    return line.rpartition(" ")[2]
