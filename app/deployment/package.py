"""The functions' package: the service and what it needs, as one zip. The same input gives the same bytes."""

import hashlib
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

ROOT = Path(__file__).parents[2]
MAX_UNPACKED_BYTES = 250 * 1024 * 1024  # AWS Lambda Developer Guide, "Lambda quotas"
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the first time that a zip can hold
PYTHONS = ("3.12", "3.13", "3.14")
"""Those of Lambda on Amazon Linux 2023; older ones run on Amazon Linux 2, whose glibc is too old for our wheels."""

# Amazon Linux 2023 has glibc 2.34, so wheels for older ones do.
_GLIBC = ("manylinux_2_34", "manylinux_2_28", "manylinux_2_17", "manylinux2014")
_WITHOUT_WHEELS = ("pyvips==",)
_BLOCK = re.compile(r"^[^\s#].*(?:\n[ \t].*)*\n", re.MULTILINE)  # a requirement with its hashes
_MACHINES = {"x86_64": "x86_64", "arm64": "aarch64"}


class PackageError(Exception):
    """The package cannot be made; the text says why."""


class Dependencies(StrEnum):
    """What goes into a package beside the service itself."""

    LAMBDA = "lambda"
    """The wheels for Lambda's Python and processor, whatever machine builds."""
    THIS_PYTHON = "this-python"
    """Those for the interpreter that builds: for an emulator that runs functions under it, without them in it."""
    NONE = "none"
    """Nothing: for an emulator whose interpreter has them already."""


@dataclass(frozen=True, slots=True)
class Package:
    """A zip on disk; its digest is that of what is in it, so it does not depend on how well it was packed."""

    path: Path
    digest: str
    packed_bytes: int
    unpacked_bytes: int


def build_package(
    directory: Path, *, dependencies: Dependencies, python: str = "3.13", architecture: str = "x86_64"
) -> Package:
    """Make the package in a directory of its own. Raises PackageError."""
    content = directory / "content"
    content.mkdir()
    if dependencies is not Dependencies.NONE:
        _install(content, for_lambda=dependencies is Dependencies.LAMBDA, python=python, architecture=architecture)
    shutil.copytree(ROOT / "app", content / "app", ignore=shutil.ignore_patterns("__pycache__"))
    return zipped(content, directory / "package.zip")


def zipped(content: Path, target: Path) -> Package:
    """The files below a directory as a zip that depends on nothing but their names and bytes. Raises PackageError."""
    digest = hashlib.sha256()
    unpacked = 0
    with zipfile.ZipFile(target, "w") as archive:
        for name, path in sorted((path.relative_to(content).as_posix(), path) for path in _files(content)):
            data = path.read_bytes()
            unpacked += len(data)
            digest.update(f"{name}\0{hashlib.sha256(data).hexdigest()}\n".encode())
            entry = zipfile.ZipInfo(name, _EPOCH)
            entry.create_system = 3  # Unix, wherever it is packed: then the mode counts
            entry.external_attr = 0o100644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, data)
    if unpacked > MAX_UNPACKED_BYTES:
        raise PackageError(f"The package has {unpacked} bytes unpacked; Lambda's limit is {MAX_UNPACKED_BYTES}.")
    return Package(target, digest.hexdigest(), target.stat().st_size, unpacked)


def _files(content: Path) -> Iterator[Path]:
    for path in content.rglob("*"):
        inside = path.relative_to(content).parts
        # Scripts, and the lists of what was installed, name the interpreter that pip ran under.
        if path.is_file() and inside[0] != "bin" and "__pycache__" not in inside and path.name != "RECORD":
            yield path


def _install(content: Path, *, for_lambda: bool, python: str, architecture: str) -> None:
    requirements = ROOT / "requirements.txt"
    if not for_lambda:
        _pip(content, requirements)
        return
    # pip takes nothing but wheels for another machine. What has none is pure Python, so it can be made here.
    blocks = _BLOCK.findall(requirements.read_text())
    sources = [block for block in blocks if block.startswith(_WITHOUT_WHEELS)]
    from_source, from_wheels = content.parent / "from-source.txt", content.parent / "from-wheels.txt"
    from_source.write_text("".join(sources))
    from_wheels.write_text("".join(block for block in blocks if block not in sources))
    _pip(content, from_source, "--no-deps")
    for compiled in content.glob("_libvips*"):  # against a libvips of this machine; the wheels bring their own
        compiled.unlink()
    for named in content.glob("*.dist-info"):  # names the version of what built it, and nobody reads it
        shutil.rmtree(named)
    platforms = [f"--platform={glibc}_{_MACHINES[architecture]}" for glibc in _GLIBC]
    _pip(
        content,
        from_wheels,
        "--no-deps",
        "--only-binary=:all:",
        "--implementation=cp",
        f"--python-version={python}",
        *platforms,
    )


def _pip(content: Path, requirements: Path, *options: str) -> None:
    options = ("--require-hashes", "--no-compile", "--target", str(content), "-r", str(requirements), *options)
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - our own interpreter and arguments
    if done.returncode:
        raise PackageError(f"pip could not collect the dependencies:\n{done.stderr.strip()}")
