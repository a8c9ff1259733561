"""The functions' package: for Lambda's Python and processor, and the same bytes each time."""

import struct
import zipfile
from pathlib import Path

import pytest

from app.deployment.package import MAX_UNPACKED_BYTES, Dependencies, Package, PackageError, build_package, zipped

MACHINES = {"x86_64": 62, "arm64": 183}  # e_machine, in the ELF specification's list and its registry


def test_the_same_content_makes_the_same_bytes_whatever_the_times_and_modes(tmp_path: Path) -> None:
    packages = []
    for number in range(2):
        content = tmp_path / f"content{number}"
        (content / "app").mkdir(parents=True)
        (content / "bin").mkdir()
        (content / "bin" / "flask").write_text(f"#!/somewhere/{number}")
        (content / "app" / "b.py").write_text("b")
        (content / "app" / "a.py").write_text("a")
        (content / "app" / "a.py").chmod(0o600 if number else 0o755)
        packages.append(zipped(content, tmp_path / f"{number}.zip"))
    assert packages[0].digest == packages[1].digest
    assert packages[0].path.read_bytes() == packages[1].path.read_bytes()
    assert zipfile.ZipFile(packages[0].path).namelist() == ["app/a.py", "app/b.py"]


def test_a_package_for_lambda_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="pip could not"):
        build_package(tmp_path, dependencies=Dependencies.LAMBDA, python="2.7")


@pytest.mark.long
@pytest.mark.parametrize("architecture", MACHINES)
def test_a_package_for_lambda_fits_and_is_for_its_processor_whatever_machine_builds(
    architecture: str, tmp_path: Path
) -> None:
    package = build(tmp_path / "first", architecture)
    assert package.unpacked_bytes < MAX_UNPACKED_BYTES
    with zipfile.ZipFile(package.path) as archive:
        names = archive.namelist()
        assert {"app/entrypoints/lambda_handler.py", "flask/__init__.py", "pyvips/__init__.py"} <= set(names)
        libraries = {name: archive.read(name) for name in names if ".so" in Path(name).suffixes}
    assert any("vips" in name for name in libraries)
    for name, data in libraries.items():
        assert struct.unpack_from("<4s14xH", data) == (b"\x7fELF", MACHINES[architecture]), name
        if ".cpython-" in name:
            assert ".cpython-313-" in name

    if architecture == "arm64":  # one that nothing here was made for
        assert build(tmp_path / "again", architecture).path.read_bytes() == package.path.read_bytes()


def build(directory: Path, architecture: str) -> Package:
    directory.mkdir()
    try:
        return build_package(directory, dependencies=Dependencies.LAMBDA, python="3.13", architecture=architecture)
    except PackageError as error:
        if "NewConnectionError" in str(error) or "ConnectTimeoutError" in str(error):
            pytest.skip("the wheels come from the package index, which cannot be reached")
        raise
