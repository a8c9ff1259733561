"""How texts are compared: folded as a whole, or cut into words. Pure."""

import re
import unicodedata
from collections.abc import Iterable, Iterator

import regex

_BOUNDARY = regex.compile(r"\b", regex.WORD | regex.V1)  # Unicode Standard Annex #29, section 4
_ASCII_WORD = re.compile(r"[a-z0-9]+")  # what all of that comes to in ASCII, where it takes a hundred times as long

_UNSEEN = frozenset({"Mn", "Me", "Cf"})  # accents and other marks; soft hyphens and joiners


def folded(text: str) -> str:
    """The form in which case does not matter: case-folded, in Unicode's NFC form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())


def words(texts: Iterable[str]) -> Iterator[str]:
    """The words of the texts, one after the other, repeated as often as they occur.

    A word is what Unicode's word segmentation (UAX #29) delivers and what holds a letter or a digit,
    in compatibility form (NFKD), without accents and case-folded. All punctuation separates, so
    `beach.jpg`, `IMG_2034` and `John's` are two words each. Scripts that write no blanks are cut as
    UAX #29 cuts them without a dictionary: Chinese, Thai and hiragana into single characters.
    """
    for text in texts:
        yield from _ASCII_WORD.findall(text.lower()) if text.isascii() else _segmented(text)


def _segmented(text: str) -> Iterator[str]:
    for part in _BOUNDARY.split(_without_punctuation(_bare(text))):
        if any(char.isalnum() for char in part):
            yield part


def _bare(text: str) -> str:
    """Case-folded, in compatibility form, without accents and invisible characters."""
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    kept = "".join(char for char in decomposed if unicodedata.category(char) not in _UNSEEN)
    return unicodedata.normalize("NFC", kept)  # Hangul syllables are whole again


def _without_punctuation(text: str) -> str:
    return "".join(" " if unicodedata.category(char).startswith("P") else char for char in text)
