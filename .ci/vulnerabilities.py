"""Known vulnerabilities of what the service is pinned to, traces included: exit code 1 where there are any.

Needs the service that knows them. Where that is not reached, or knows nothing of these packages, this
says so and passes: CI must not depend on somebody else's server.
"""

import json
import subprocess
import sys
from pathlib import Path

import click

PINNED = Path(__file__).parents[1] / "requirements-tracing.txt"
COMMAND = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--format=json"]
COMMAND += ["--progress-spinner=off", "--requirement", str(PINNED)]


def main() -> int:
    done = subprocess.run(COMMAND, capture_output=True, text=True, check=False)  # noqa: S603 - a constant command, nothing of it from outside
    try:
        found = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        click.echo(f"SKIPPED: the service that knows vulnerabilities was not reached: {done.stderr.strip()[-300:]}")
        return 0
    known = [it for it in found if "vulns" in it]
    for it in known:
        for hole in it["vulns"]:
            mended = ", ".join(hole["fix_versions"]) or "none"
            click.echo(f"{it['name']} {it['version']}: {hole['id']}, mended in {mended}")
    if len(known) < len(found):
        click.echo(f"SKIPPED: nothing is known of {len(found) - len(known)} of {len(found)} packages.")
    return int(any(it["vulns"] for it in known))


if __name__ == "__main__":
    sys.exit(main())
