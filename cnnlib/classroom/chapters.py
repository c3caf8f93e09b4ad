"""The chapters of a book with their exercises, as the classroom's parts take them."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from cnnlib.exercises.source import SUFFIX, Experiment, Source, read_chain, read_sources

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}  # of our notebooks


class Chapter(NamedTuple):
    """``name``: the file's, without its ending. ``exercises``: in the order of the chapter.

    ``chain``: programs that run the chapter's chain, if it has one.
    """

    name: str
    title: str
    text: str
    exercises: tuple[Source | Experiment, ...]
    chain: tuple[str, ...] = ()


def chapters_in(book: Path) -> Iterator[Chapter]:
    """The chapters under ``book`` that have exercises, in the order of the ``_toc.yml`` beside it;
    without one by name.

    Raises:
        FileNotFoundError: if there are none.
    """
    toc = book.parent / "_toc.yml"
    pages = re.findall(r"file: (\S+)", toc.read_text("utf-8")) if toc.is_file() else []
    places = {Path(page).name: place for place, page in enumerate(pages)}

    def in_order(path: Path) -> tuple[int, str]:
        return places.get(path.name.removesuffix(SUFFIX), len(places)), path.name

    paths = sorted(book.rglob(f"*{SUFFIX}"), key=in_order)
    if not paths:
        raise FileNotFoundError(f"{book}: no file *{SUFFIX} in it")
    for path in paths:
        text = path.with_name(path.name.replace(SUFFIX, ".md")).read_text("utf-8")
        exercises = {source.name: source for source in read_sources(path)}
        places = re.findall(r"^<!-- exercise: (\w+) -->$", text, re.MULTILINE)
        name = path.name.removesuffix(SUFFIX)
        in_order_of_text = tuple(exercises[place] for place in places)
        yield Chapter(name, title_of(text), text, in_order_of_text, tuple(read_chain(path)))


def title_of(text: str) -> str:
    """The first heading of a chapter.

    Raises:
        ValueError: if there is none.
    """
    heading = re.search(r"^# (.+)$", text, re.MULTILINE)
    if heading is None:
        raise ValueError(f"{text[:60]!r}: expected a heading '# ...'")
    return heading[1].strip()
