import shutil
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


def test_help_says_what_there_is() -> None:
    finished = subprocess.run(["./startup.sh", "--help"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stderr) == (0, "")
    assert "./startup.sh test [...]" in finished.stdout


def test_run_takes_no_arguments() -> None:
    finished = subprocess.run(["./startup.sh", "run", "extra"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (finished.returncode, finished.stdout) == (1, "")
    assert "run takes no arguments" in finished.stderr


def test_an_environment_whose_making_was_interrupted_is_made_again(tmp_path: Path) -> None:
    """By a stand-in for Python, which leaves at first what an interrupted `python -m venv` leaves: no pip."""
    shutil.copy(ROOT / "startup.sh", tmp_path)
    (tmp_path / "requirements-local.txt").touch()
    python = tmp_path / "python"
    python.write_text(
        "#!/bin/sh\n"
        'case "$*" in\n'
        '"-m venv .venv") mkdir .venv/bin && cp "$0" .venv/bin/python && [ -e second ] && touch .venv/pip ;;\n'
        '"-m pip install"*) [ -e .venv/pip ] ;;\n'
        '"-m app run") echo running ;;\n'
        "esac\n"
    )
    python.chmod(0o755)

    def start() -> "subprocess.CompletedProcess[str]":
        environment = {"PATH": "/usr/bin:/bin", "PYTHON": str(python)}
        command = ["sh", str(tmp_path / "startup.sh")]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert "cannot make .venv" in start().stderr
    assert (tmp_path / ".venv" / "bin" / "python").exists()
    (tmp_path / "second").touch()
    assert start().stdout.endswith("running\n")
    assert start().stdout == "running\n"
