"""Requests made from the service's own OpenAPI document, right ones and wrong ones, and judged by it.

    .venv/bin/python -m tests.fuzz.schemathesis_run --seeds 12 --seconds 600

starts the service on the embedded emulator, or on AWS_ENDPOINT_URL, and fuzzes it once for each
seed with all of schemathesis' checks: no 5xx, nothing that the document does not say, no answer
without identity, nothing left of what was deleted. The test suite does the same for some seconds.
"""

import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import click
import jwt

from tests.server import ROOT, RunningService

SECRET = "a-secret-for-tests-only-of-32-bytes-or-more"
SETTINGS = {
    "AUTH_MODE": "jwt",
    "JWT_ISSUER": "https://issuer.example",
    "JWT_AUDIENCE": "images",
    "JWT_KEY": SECRET,
    "JWT_ALGORITHMS": "HS256",
    "MAX_IMAGES_PER_USER": "1000000",  # counted, and never reached
}


@dataclass(frozen=True)
class Outcome:
    """One run: how many requests were sent, what was found, and all that the fuzzer said."""

    requests: int
    failures: int
    said: str


def token(user_id: str) -> str:
    claims = {"iss": "https://issuer.example", "aud": "images", "sub": user_id, "exp": time.time() + 86_400}
    return jwt.encode(claims, SECRET, "HS256")


def fuzz(service: RunningService, *, seed: int, seconds: int, phases: str = "coverage,fuzzing,stateful") -> Outcome:
    """Fuzz a running service, which must have SETTINGS, for so long. Shrinking may take a little longer."""
    command = [
        str(Path(sys.executable).parent / "schemathesis"),
        f"--config-file={ROOT / 'tests/fuzz/schemathesis.toml'}",
        "run",
        f"{service.url}/openapi.json",
        f"--header=Authorization: Bearer {token(f'fuzz-{seed}')}",
        "--checks=all",
        f"--seed={seed}",
        f"--max-time={seconds}",
        f"--phases={phases}",
        "--request-timeout=30",
        "--continue-on-failure",
        "--generation-database=none",
        "--no-color",
    ]
    done = subprocess.run(command, cwd=service.data_dir, capture_output=True, text=True, check=False)
    said = done.stdout + done.stderr
    requests = re.search(r"(\d+) generated", said)
    return Outcome(int(requests[1]) if requests else 0, done.returncode, said)


@click.command()
@click.option("--seeds", default=3, show_default=True, help="How many runs, each with the next seed.")
@click.option("--first", default=1, show_default=True, help="The first seed.")
@click.option("--seconds", default=300, show_default=True, help="How long each run lasts.")
def main(seeds: int, first: int, seconds: int) -> None:
    """Fuzz, and say what was found. The exit code is the number of seeds that found something."""
    failed = 0
    with tempfile.TemporaryDirectory() as home:
        service = RunningService(Path(home) / "data", **SETTINGS).start()
        try:
            for seed in range(first, first + seeds):
                outcome = fuzz(service, seed=seed, seconds=seconds)
                failed += outcome.failures > 0
                click.echo(
                    outcome.said if outcome.failures else f"seed {seed}: {outcome.requests} requests, no failure"
                )
        finally:
            stopped = service.stop()
    sys.exit(failed or stopped)


if __name__ == "__main__":
    main()
