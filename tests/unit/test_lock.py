import subprocess
import sys
from pathlib import Path

import pytest

from app.entrypoints.lock import locked

HOLDER = "import sys, time; from pathlib import Path; from app.entrypoints.lock import locked; "
HOLDER += "held = locked(Path(sys.argv[1]), seconds=0, say=print); print('held', flush=True); time.sleep(60)"


def test_what_is_free_is_locked_at_once_and_again_after_it_is_closed(tmp_path: Path) -> None:
    for _ in range(2):
        held = locked(tmp_path / "lock", seconds=0, say=lambda: pytest.fail("nobody has it"))
        assert held is not None
        held.close()


def test_what_another_has_is_waited_for_and_then_given_up(tmp_path: Path) -> None:
    said: list[str] = []
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path / "lock")], stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        assert locked(tmp_path / "lock", seconds=0.2, say=lambda: said.append("waiting")) is None
        assert said == ["waiting"]
        holder.kill()
    freed = locked(tmp_path / "lock", seconds=5, say=lambda: None)
    assert freed is not None
    freed.close()
