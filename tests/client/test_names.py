"""File names made of filenames that somebody else chose."""

import hashlib
from pathlib import Path

import pytest

from app.client import Image
from app.entrypoints.images.names import Names, safe_name
from tests.client.stub import resource
from tests.samples import picture


@pytest.mark.parametrize(
    ("filename", "name"),
    [
        ("beach.jpg", "beach.jpg"),
        ("Zoë at sea.JPEG", "Zoë at sea.JPEG"),
        ("../../etc/passwd", "_._.._etc_passwd.jpg"),
        ("..", "image.jpg"),
        ("", "image.jpg"),
        (".jpg", "_jpg.jpg"),
        (".bash_profile", "_bash_profile.jpg"),
        ("-rf.jpg", "_rf.jpg"),
        ("beach.exe", "beach.exe.jpg"),
        ("beach.png", "beach.png.jpg"),
        ("a<b>c:d|e?f*g.jpg", "a_b_c_d_e_f_g.jpg"),
        ("con.jpg", "_con.jpg"),
        ("NUL", "_NUL.jpg"),
        ("com1.tar.jpg", "_com1.tar.jpg"),
        ("LPT\u00b9.jpg", "_LPT\u00b9.jpg"),
        ("console.jpg", "console.jpg"),
        ("beach. . .", "beach.jpg"),
        ("beach .jpg", "beach.jpg"),
        ("a\x00b\nc\u202egpj.jpg", "a_b_c_gpj.jpg"),
        ("a\u200eb\u200fc\u061cd.jpg", "a_b_c_d.jpg"),
        ("Zoe\u0308.jpg", "Zoë.jpg"),
        ("é" * 255 + ".jpg", "é" * 100 + ".jpg"),
    ],
)
def test_a_name_is_safe_on_every_system(filename: str, name: str) -> None:
    assert safe_name(filename, "image/jpeg") == name
    assert safe_name(name, "image/jpeg") == name


def _image(filename: str, seed: int) -> Image:
    data = picture(seed=seed)
    return Image.from_json(resource(filename=filename, file_size=len(data), sha256=hashlib.sha256(data).hexdigest()))


def test_each_image_has_a_file_of_its_own_and_the_same_in_the_next_run(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_text("somebody else's")
    images = [_image(name, seed) for seed, name in enumerate(["a.jpg", "B.jpg", "b.JPG", "b.jpg"])]
    names = ["a (2).jpg", "B.jpg", "b (2).JPG", "b (3).jpg"]
    first = Names(tmp_path)
    assert [first.give(image) for image in images] == [(tmp_path / name, False) for name in names]
    for seed, name in enumerate(names):
        (tmp_path / name).write_bytes(picture(seed=seed))
    second = Names(tmp_path)
    assert [second.give(image) for image in images] == [(tmp_path / name, True) for name in names]


def test_the_same_bytes_twice_are_two_files(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(picture())
    names = Names(tmp_path)
    assert [names.give(_image("a.jpg", 0)) for _ in range(2)] == [
        (tmp_path / "a.jpg", True),
        (tmp_path / "a (2).jpg", False),
    ]


def test_a_link_to_nowhere_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").symlink_to(tmp_path / "elsewhere")
    assert Names(tmp_path).give(_image("a.jpg", 0)) == (tmp_path / "a (2).jpg", False)
