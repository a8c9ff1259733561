import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidCursor
from app.services.cursor import CursorSigner

signer = CursorSigner("k" * 32)


@given(st.lists(st.text(st.characters(codec="utf-8")), max_size=3), st.text(st.characters(codec="utf-8")))
def test_a_cursor_gives_back_its_position(position: list[str], scope: str) -> None:
    assert signer.verify(signer.sign(tuple(position), scope=scope), scope=scope) == tuple(position)


@given(st.data())
def test_a_cursor_with_any_character_changed_is_refused(data: st.DataObject) -> None:
    cursor = signer.sign(("2026-01-02T03:04:05.678901Z", "id"), scope="alice")
    place = data.draw(st.integers(0, len(cursor) - 1))
    other = data.draw(st.characters(exclude_characters=cursor[place]))
    with pytest.raises(InvalidCursor):
        signer.verify(cursor[:place] + other + cursor[place + 1 :], scope="alice")


@given(st.text())
def test_nonsense_is_refused(text: str) -> None:
    with pytest.raises(InvalidCursor):
        signer.verify(text, scope="alice")


def test_a_cursor_is_bound_to_its_scope_and_key() -> None:
    cursor = signer.sign(("a",), scope="alice")
    with pytest.raises(InvalidCursor):
        signer.verify(cursor, scope="bob")
    with pytest.raises(InvalidCursor):
        CursorSigner("o" * 32).verify(cursor, scope="alice")
