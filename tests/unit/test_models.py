import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models import cleaned_filename, normalised_tag, normalised_title


@pytest.mark.parametrize(
    ("tag", "normalised"),
    [(" Sea ", "sea"), ("SUNSET", "sunset"), ("e\u0301", "\u00e9"), ("Straße", "strasse")],
)
def test_tags_are_trimmed_folded_and_normalised(tag: str, normalised: str) -> None:
    assert normalised_tag(tag) == normalised


@given(st.text(min_size=1))
def test_normalising_a_tag_twice_changes_nothing(tag: str) -> None:
    once = normalised_tag(tag)
    assert normalised_tag(once) == once


def test_titles_compare_without_case_and_control_characters() -> None:
    assert normalised_title("Das GROSSE\tHAUS") == normalised_title("das große haus")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("beach.jpg", "beach.jpg"),
        ("/etc/passwd", "passwd"),
        ("C:\\Users\\me\\urlaub.png", "urlaub.png"),
        ("../../x.gif", "x.gif"),
        ("Zürich 北京 🏖.jpg", "Zürich 北京 🏖.jpg"),
        ("a\r\nSet-Cookie: b.jpg", "aSet-Cookie: b.jpg"),
        ("evil\u202egpj.exe", "evilgpj.exe"),
        ("a\u200eb\u200fc\u061c.jpg", "abc.jpg"),
        ("a\x00b.jpg", "ab.jpg"),
        ("..", None),
        ("   ", None),
        ("dir/", None),
    ],
)
def test_filenames_lose_paths_and_control_characters(given: str, expected: str | None) -> None:
    assert cleaned_filename(given) == expected
