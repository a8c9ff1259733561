"""How long a fresh process takes from nothing to a function's first answer, and how long the next one takes.

    python -m benchmarks.cold_start

In a process of its own each, with the byte code of all modules on disk; no store is asked. What the
sandbox, the download of the package and the first compilation add on Lambda is not in it.
"""

import json
import statistics
import subprocess
import sys

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
    for function, event in _EVENTS.items():
        runs = [_run(function, json.dumps(event)) for _ in range(_RUNS)]
        loading, first, second = (statistics.median(column) * 1000 for column in zip(*runs, strict=True))
        print(f"{function}: load {loading:.0f} ms, first answer {first:.1f} ms, next {second:.1f} ms")  # noqa: T201


def _run(function: str, event: str) -> list[float]:
    command = [sys.executable, "-c", _PROGRAM % function, event]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(value) for value in done.stdout.split()]


if __name__ == "__main__":
    main()
