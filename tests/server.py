"""The real service as a process: `python -m app run` on free ports, as ./startup.sh starts it."""

import os
import signal
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import httpx

ROOT = Path(__file__).parents[1]
START_SECONDS = 60
ENVIRONMENT = dict(os.environ)  # as it was given to the tests: moto puts credentials of its own into it


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RunningService:
    """One run of the service. It uses AWS_ENDPOINT_URL where that is set, else the embedded emulator.

    Bucket, table and queue get names of their own, so that runs on a shared endpoint don't meet.
    """

    def __init__(self, data_dir: Path, **settings: str) -> None:
        self.data_dir = data_dir
        self.port = int(settings.get("PORT", free_port()))
        name = f"test-{uuid.uuid4().hex[:12]}"
        self.environment = {
            **ENVIRONMENT,
            "PORT": str(self.port),
            "EMULATOR_PORT": str(free_port()),
            "DATA_DIR": str(data_dir),
            "S3_BUCKET": name,
            "IMAGES_TABLE": name,
            "POSTINGS_TABLE": f"{name}-postings",
            "UPLOADS_QUEUE": name,
            **settings,
        }
        self.log = data_dir / "service.log"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint_url(self) -> str:
        """Where its AWS answers."""
        return self.environment.get("AWS_ENDPOINT_URL") or f"http://127.0.0.1:{self.environment['EMULATOR_PORT']}"

    @property
    def has_embedded_emulator(self) -> bool:
        return not self.environment.get("AWS_ENDPOINT_URL")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> "RunningService":
        """Returns once it answers."""
        self.data_dir.mkdir(parents=True, exist_ok=True)
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app", "run"],
                cwd=ROOT,
                env=self.environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        deadline = time.monotonic() + START_SECONDS
        while "is ready at" not in self.output():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the service did not start:\n{self.output()}")
            time.sleep(0.05)
        return self

    def wait(self, seconds: float = START_SECONDS) -> int:
        assert self.process is not None
        return self.process.wait(seconds)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Ask it to stop, and return its exit code."""
        assert self.process is not None
        self.process.send_signal(how)
        return self.wait()

    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @staticmethod
    def python(*arguments: str) -> list[str]:
        return [sys.executable, *arguments]

    def client(self, user_id: str | None = None) -> httpx.Client:
        headers = {"X-User-ID": user_id} if user_id else {}
        return httpx.Client(base_url=self.url, headers=headers, timeout=30, trust_env=False)


def run_to_its_end(tmp_path: Path, **settings: str) -> tuple[int, str]:
    """Start the service where it cannot start; its exit code and what it printed."""
    service = RunningService(tmp_path, **settings)
    finished = subprocess.run(
        [sys.executable, "-m", "app", "run"],
        cwd=ROOT,
        env=service.environment,
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    return finished.returncode, finished.stdout + finished.stderr
