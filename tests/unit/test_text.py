import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.text import folded, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Beach at Sunset", ["beach", "at", "sunset"]),
        ("IMG_2034.jpg", ["img", "2034", "jpg"]),
        ("Café ÉTÉ naïve", ["cafe", "ete", "naive"]),
        ("cafe\u0301", ["cafe"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("O'Neil's don\u2019t 'quoted'", ["o", "neil", "s", "don", "t", "quoted"]),
        ("soft\u00adhyphen zero\u200dwidth", ["softhyphen", "zerowidth"]),
        ("e-mail, a/b; c:d", ["e", "mail", "a", "b", "c", "d"]),
        ("ﬁne \uff11\uff12", ["fine", "12"]),
        ("東京タワー", ["東", "京", "タワー"]),
        ("한국어 단어", ["한국어", "단어"]),
        ("שלום עולם", ["שלום", "עולם"]),
        ("İstanbul ISTANBUL", ["istanbul", "istanbul"]),
        ("\U0001f600 !? — …", []),
        ("", []),
    ],
)
def test_words(text: str, found: list[str]) -> None:
    assert list(words([text])) == found


@given(st.text(st.characters(codec="ascii"), max_size=60))
def test_ascii_has_the_words_that_it_has_beside_other_characters(text: str) -> None:
    assert list(words([f"{text} é"])) == [*words([text]), "e"]


@given(st.text(max_size=60))
def test_every_word_holds_a_letter_or_digit(text: str) -> None:
    for word in words([text]):
        assert any(char.isalnum() for char in word)


@given(st.text(max_size=30))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert folded(folded(text)) == folded(text)
    assert unicodedata.is_normalized("NFC", folded(text))
