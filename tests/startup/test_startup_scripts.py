import subprocess
from pathlib import Path

from tests.server import ROOT


def test_an_unknown_command_is_one_clear_line() -> None:
    finished = subprocess.run(["./startup.sh", "nonsense"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert finished.returncode == 1
    assert finished.stderr == "startup.sh: unknown command 'nonsense'; there are: run (the default), test\n"


def test_a_python_that_is_too_old_is_one_clear_line(tmp_path: Path) -> None:
    script = tmp_path / "startup.sh"
    script.write_bytes((ROOT / "startup.sh").read_bytes())
    old = tmp_path / "old-python"
    old.write_text('#!/bin/sh\n[ "$1" = --version ] && echo "Python 3.9.2" && exit 0\nexit 1\n')
    old.chmod(0o755)
    finished = subprocess.run(
        ["sh", str(script)],
        env={"PATH": "/usr/bin:/bin", "PYTHON": str(old)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 1
    assert finished.stderr == "startup.sh: needs Python 3.11 or newer (found: Python 3.9.2); set PYTHON to one\n"
