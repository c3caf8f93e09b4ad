"""Slides of the built chapters: one page of HTML a chapter, which needs nothing beside it.

A slide for each heading, figure, widget (its still picture) and question "predict". It is read from
the built site, for figures and many questions are what cells have computed.
"""

import base64
import html
import mimetypes
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from bs4 import BeautifulSoup, Tag

from cnnlib.classroom.quizzes import questions_on

NOT_SHOWN = ("Exercises", "Quiz", "References")  # sections that are no talk
OWN = files("cnnlib.classroom")


class Slide(NamedTuple):
    """``kind``: "title", "part", "predict", "figure" or "widget"; ``body``: HTML."""

    kind: str
    heading: str
    body: str


def write_slides(site: Path, folder: Path) -> list[Path]:
    """Write a deck ``CHAPTER.html`` for each page of the site that has a figure or a widget.

    Raises:
        FileNotFoundError: if ``site`` holds no built book.
    """
    if not (site / "index.html").is_file():
        raise FileNotFoundError(f"{site}: no built book (`make book` makes it)")
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for page in sorted(site.glob("book/**/*.html")):
        slides = list(slides_of(page))
        if any(slide.kind in ("figure", "widget") for slide in slides):
            path = folder / f"{page.stem}.html"
            path.write_text(deck(slides, site), "utf-8")
            written.append(path)
    return written


def slides_of(page: Path) -> Iterator[Slide]:
    """The slides of a built page, in the order of its text."""
    article = BeautifulSoup(page.read_text("utf-8"), "html.parser").select_one("article.bd-article")
    heading = ""
    for part in article.find_all(_is_shown) if article else ():
        if part.name in ("h1", "h2", "h3"):
            heading = part.get_text().removesuffix("#").strip()
            if heading not in NOT_SHOWN and part.name != "h3":
                yield Slide("title" if part.name == "h1" else "part", heading, _lead(part, page))
        elif "admonition" in part.get("class", []):
            title = part.select_one(".admonition-title").extract()
            if title.get_text().startswith("Predict"):
                yield Slide("predict", heading, _ask(_portable(part, page)))
        elif part.name == "img":
            yield Slide("figure", heading, str(_portable(part, page)))
        elif part["data-cnn-widget"] == "quiz":
            for asked in questions_on(str(part)):
                if asked["kind"] == "prediction":
                    yield Slide("predict", heading, _ask(_question(asked)))
        elif part["data-cnn-widget"] != "code_exercise" and (
            still := part.select_one(".cnn-still")
        ):
            note = '<p class="note">The widget stands on the page, to be played with.</p>'
            yield Slide("widget", heading, str(_portable(still, page)) + note)


def _is_shown(tag: Tag) -> bool:
    kinds = tag.get("class", [])
    if tag.name == "img":
        return tag.find_parent(class_="cell_output") is not None and not tag.find_parent(
            class_="cnn-place"
        )
    return tag.name in ("h1", "h2", "h3") or bool({"cnn-place", "admonition"} & set(kinds))


def _lead(heading: Tag, page: Path) -> str:
    """The first paragraph behind a heading, if it comes before all else."""
    behind = heading.find_next_sibling()
    return str(_portable(behind, page)) if behind is not None and behind.name == "p" else ""


def _ask(body: Tag | str) -> str:
    inner = body if isinstance(body, str) else body.decode_contents()
    return f'<p><strong class="ask">Predict</strong></p>{inner}'


def _question(asked: dict) -> str:
    unit = f" {asked['unit']}" if asked.get("unit") else ""
    return (
        f"<p>{_code(asked['prompt'])}</p><details><summary>Answer</summary>"
        f"<p>{asked['answer']:g}{html.escape(unit)}. {_code(asked['why'])}</p></details>"
    )


def _code(text: str) -> str:
    return re.sub(r"`([^`]*)`", r"<code>\1</code>", html.escape(text))


def _portable(part: Tag, page: Path) -> Tag:
    """A copy of a part that stands without the site: pictures in it, no links within the site."""
    part = BeautifulSoup(str(part), "html.parser").find()
    for link in part.find_all("a"):
        if "headerlink" in link.get("class", []):
            link.decompose()
        elif not link.get("href", "").startswith("http"):
            link.unwrap()
    for script in part.find_all(["script", "button"]):
        script.decompose()
    for image in [part] if part.name == "img" else part.find_all("img"):
        address = image.get("src", "")
        if not address.startswith("data:"):
            image["src"] = _as_data((page.parent / address).resolve())
        for name in ("style", "width", "height"):
            image.attrs.pop(name, None)
    return part


def _as_data(path: Path) -> str:
    kind = mimetypes.guess_type(path.name)[0]
    return f"data:{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def deck(slides: list[Slide], site: Path) -> str:
    """The page of these slides. KaTeX, of the site, goes into it where there are formulas."""
    sections = []
    for kind, heading, body in slides:
        level = "h1" if kind == "title" else "h2"
        head = f"<{level}>{html.escape(heading)}</{level}>"
        sections.append(f'<section class="{kind}">{head}{body}</section>')
    scripts = [(OWN / "slides.js").read_text("utf-8")]
    if any('class="math' in section for section in sections):
        scripts.insert(0, (site / "_static" / "katex.min.js").read_text("utf-8"))
    style = (OWN / "slides.css").read_text("utf-8")
    code = "".join(f"<script>{script}</script>" for script in scripts)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f'<link rel="icon" href="data:,"><title>{html.escape(slides[0].heading)}: slides</title>'
        f"<style>{style}</style></head><body>{''.join(sections)}{code}</body></html>\n"
    )
