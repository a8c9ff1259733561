"""`python -m app images`, called from a test."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from app.entrypoints.images import images
from tests.server import ROOT


@dataclass(frozen=True)
class Command:
    """The command line of one user, with no other settings than these."""

    server: str
    user: str
    home: Path

    @property
    def environment(self) -> dict[str, str]:
        return {"IMAGES_SERVER": self.server, "IMAGES_USER": self.user, "XDG_CONFIG_HOME": str(self.home)}

    def __call__(self, *arguments: str | Path, typed: str | None = None, **environment: str) -> Result:
        """Run it in this process."""
        settings: Mapping[str, str] = self.environment | environment
        return CliRunner().invoke(images, [str(argument) for argument in arguments], input=typed, env=settings)

    def shown(self, *arguments: str | Path) -> list[dict[str, Any]]:
        """What it shows with --json."""
        result = self(*arguments, "--json")
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.stdout.splitlines()]

    def start(self, *arguments: str | Path, **environment: str) -> "subprocess.Popen[str]":
        """Run it as a process of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "app", "images", *map(str, arguments)],
            cwd=ROOT,
            env=os.environ | self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def interrupted(self, lines: int, signal: int, *arguments: str | Path) -> tuple[int, str]:
        """Run it as a process until it has told of so many images, then send the signal.

        Returns its exit code and standard error.
        """
        with self.start(*arguments) as process:
            assert process.stdout is not None
            for _ in range(lines):
                assert process.stdout.readline(), "it ended before it could be interrupted"
            process.send_signal(signal)
            _, errors = process.communicate(timeout=60)
            return process.returncode, errors
