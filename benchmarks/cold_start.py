"""How long a fresh process takes from nothing to a function's first answer, and how long the next one takes.

    python -m benchmarks.cold_start

In a process of its own each; no store is asked. Once with the byte code of all modules on disk, as on
a machine, and once without, as on Lambda, where the package holds none and its directory is not written
to. What the sandbox and the download of the package add on Lambda is not in it.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Mapping

_RUNS = 9
_PROGRAM = """
import json, os, sys, time
began = time.perf_counter()
os.environ |= {"SECRET_KEY": "k" * 32, "STAGE": "bench", "LOG_LEVEL": "WARNING"}
import app.entrypoints.lambda_handler as module
handler = module.%s
loaded = time.perf_counter()
handler(json.loads(sys.argv[1]), None)
answered = time.perf_counter()
handler(json.loads(sys.argv[1]), None)
print(loaded - began, answered - loaded, time.perf_counter() - answered)
"""
_EVENTS = {
    "api": {"httpMethod": "GET", "path": "/health", "headers": {}, "requestContext": {}},
    "s3_events": {"Records": [{"messageId": "1", "body": "{}"}]},
}


def main() -> None:
    with tempfile.TemporaryDirectory() as empty:
        for function, event in _EVENTS.items():
            for kind, environment in (
                ("with byte code", {}),
                ("without", {"PYTHONPYCACHEPREFIX": empty, "PYTHONDONTWRITEBYTECODE": "1"}),
            ):
                runs = [_run(function, json.dumps(event), environment) for _ in range(_RUNS)]
                loading, first, second = (statistics.median(column) * 1000 for column in zip(*runs, strict=True))
                figures = f"load {loading:.0f} ms, first answer {first:.1f} ms, next {second:.1f} ms"
                print(f"{function}, {kind}: {figures}")  # noqa: T201 - this is what it is for


def _run(function: str, event: str, environment: Mapping[str, str]) -> list[float]:
    command = [sys.executable, "-c", _PROGRAM % function, event]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=os.environ | environment)
    return [float(value) for value in done.stdout.split()]


if __name__ == "__main__":
    main()
