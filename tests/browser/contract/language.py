"""A made-up language: every letter has an accent. A letter without one is English left over."""

import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser

from cnnlib.widgets import words

PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
LETTERS = str.maketrans(PLAIN, "áƀćďéƒǵħíĵķĺɱńóƥʠŕśťúṽŵẋýźÁƁĆĎÉƑǴĦÍĴĶĹḾŃÓƤǬŔŚŤÚṼŴẊÝŹ")
ENGLISH = re.compile(r"[A-Za-z]{2,}")


def accented(text: str) -> str:
    """The text in the made-up language; the names of its blanks stay."""
    parts, end = [], 0
    for blank in words.BLANK.finditer(text):
        name, one, more = blank.groups()
        forms = "" if one is None else f"|{accented(one)}|{accented(more)}"
        parts += [text[end : blank.start()].translate(LETTERS), f"{{{name}{forms}}}"]
        end = blank.end()
    return "".join([*parts, text[end:].translate(LETTERS)])


def made_up_words(*asked) -> words.Words:
    """In the place of :func:`cnnlib.widgets.words.read_words`."""
    table = words.read_words(*asked).table
    return words.Words({key: accented(text) for key, text in table.items()})


def english_left(texts: Iterable[str], allowed: Iterable[str] = ()) -> list[str]:
    """The texts that have a word of two or more plain letters which no allowed text has."""
    known = {word for text in allowed for word in ENGLISH.findall(text)}
    return sorted(text for text in set(texts) if set(ENGLISH.findall(text)) - known)


def strings_in(value, keys: bool = True) -> Iterator[str]:
    """Every text in a JSON value; the keys of objects, too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, inside in value.items():
            if keys:
                yield key
            yield from strings_in(inside, keys)
    elif isinstance(value, list):
        for inside in value:
            yield from strings_in(inside, keys)


class _Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs) -> None:
        told = ("aria-label", "title", "alt", "aria-description")
        self.found += [value for name, value in attrs if name in told and value]

    def handle_data(self, data: str) -> None:
        self.found.append(data.strip())


def texts_in_markup(markup: str) -> list[str]:
    """What a still picture says to the eye and to the ear."""
    parser = _Texts()
    parser.feed(markup)
    return [text for text in parser.found if text]
