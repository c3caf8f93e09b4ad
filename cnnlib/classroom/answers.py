"""The answer book for teachers: solutions, hidden cases, what wrong answers are told, answers of
experiments. One page of HTML and, where there is a Chromium, a PDF of it."""

import html
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from markdown_it import MarkdownIt

from cnnlib.classroom.chapters import Chapter
from cnnlib.exercises.agreement import written
from cnnlib.exercises.source import Experiment, Source, record_from

STYLE = """
:root { color-scheme: light dark; }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 50rem; margin: 2rem auto; padding: 0 1rem; }
pre { background: #8882; padding: 0.6rem; overflow-x: auto; }
table { border-collapse: collapse; } td, th { border: 1px solid #8888; padding: 0.2rem 0.6rem; }
h1, h2 { break-after: avoid; } h1 { break-before: page; } header h1 { break-before: auto; }
pre, tr { break-inside: avoid; }
"""
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


def answer_book(chapters: Sequence[Chapter]) -> str:
    """The whole book as a page of HTML that stands alone."""
    total = sum(one.points for chapter in chapters for one in chapter.exercises)
    contents = "".join(
        f'<li><a href="#{chapter.name}">{html.escape(chapter.title)}</a></li>'
        for chapter in chapters
    )
    parts = [
        "<header><h1>Answers, for teachers</h1>"
        f"<p>{len(chapters)} chapters, {total} points. Not for students.</p>"
        f"<ol>{contents}</ol></header>"
    ]
    for chapter in chapters:
        parts.append(f'<h1 id="{chapter.name}">{html.escape(chapter.title)}</h1>')
        for number, one in enumerate(chapter.exercises, start=1):
            write = _experiment if isinstance(one, Experiment) else _exercise
            parts.append(f"<h2>{number}. {html.escape(one.name)} ({one.points})</h2>{write(one)}")
        if chapter.chain:
            solution, *others = map(_code, chapter.chain)
            also = "".join(f"<p>Also right:</p>{other}" for other in others)
            parts.append(f"<h2>The chain</h2><p>A solution:</p>{solution}{also}")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width"><title>Answers, for teachers</title>'
        f"<style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _exercise(source: Source) -> str:
    record = record_from(source, hidden=True)
    rows = "".join(
        f"<tr><td><code>{html.escape(case.call)}</code></td>"
        f"<td><code>{html.escape(written(case.expected))}</code></td>"
        f"<td>{'' if place < len(source.cases) else 'hidden'}</td></tr>"
        for place, case in enumerate(record.cases)
    )
    others = "".join(f"<p>Also right:</p>{_code(program)}" for program in source.another)
    wrong = "".join(
        f"<p>Wrong. {html.escape(one.sentence)}</p>{_code(one.program)}" for one in source.wrong
    )
    return (
        f"{_markdown.render(source.prompt)}{_code(source.setup)}"
        f"<p>A solution:</p>{_code(source.solution)}{others}"
        f"<table><tr><th>call</th><th>expected</th><th>shown</th></tr>{rows}</table>{wrong}"
    )


def _experiment(experiment: Experiment) -> str:
    rubric = "".join(f"<li>{one.points}: {html.escape(one.what)}</li>" for one in experiment.rubric)
    return (
        f"{_markdown.render(experiment.prompt)}{_code(experiment.starter)}<p>Hand in:</p>"
        f"{_markdown.render(experiment.handin)}<p>Points:</p><ul>{rubric}</ul>"
        f"<p>What came out for us:</p>{_markdown.render(experiment.answer)}"
    )


def _code(program: str) -> str:
    return f"<pre><code>{html.escape(program.rstrip())}</code></pre>" if program.strip() else ""


def write_pdf(page: Path, pdf: Path) -> bool:
    """Print a page into a PDF by a Chromium: that of ``CHROMIUM``, or one on the path.

    False where there is none. Raises ``subprocess.CalledProcessError`` if it fails.
    """
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, BROWSERS)), None)
    if not found:
        return False
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-pdf-header-footer"]
    address = page.resolve().as_uri()
    subprocess.run(
        [found, *options, f"--print-to-pdf={pdf}", address],
        check=True,
        capture_output=True,
        timeout=300,
    )
    return True
