"""Slides hold what their chapter shows and asks, and need nothing beside them."""

import re

import pytest
from bs4 import BeautifulSoup

from cnnlib.classroom.slides import slides_of, write_slides
from cnnlib.widgets.convolution_explorer import ConvolutionExplorer
from cnnlib.widgets.quiz import Quiz, number, prediction

ASKED = [
    number("How many?", 112, "A sum."),
    prediction("How `far`?", 0, 10, 0.5, 7.5, "So < far.", tolerance=1, unit="%"),
]
PAGE = """<article class="bd-article"><section><h1>A chapter<a class="headerlink">#</a></h1>
<p>Why <a href="other.html">so</a>, <a href="https://far.org">far</a>?</p>
<section><h2>A part<a class="headerlink">#</a></h2>
<div class="admonition tip"><p class="admonition-title">Predict</p>
<p>How many <span class="math">\\(n+1\\)</span>?</p></div>
<div class="admonition"><p class="admonition-title">Note</p><p>A remark</p></div>
<div class="cell"><div class="cell_output"><img alt="A line." src="../_images/a.png"></div></div>
<p><img alt="No figure" src="https://far.org/badge.png"></p>
<h3>Deeper<a class="headerlink">#</a></h3>
<div class="cell_output">WIDGET</div></section>
<section><h2>Quiz<a class="headerlink">#</a></h2>QUIZ</section></section></article>"""


@pytest.fixture
def made(tmp_path):
    """A built book of two pages."""
    site = tmp_path / "site"
    for folder in ("book", "_images", "_static"):
        (site / folder).mkdir(parents=True)
    (site / "index.html").write_text("")
    (site / "_images" / "a.png").write_bytes(b"picture")
    (site / "_static" / "katex.min.js").write_text("const katex = { render() {} };")
    (site / "book" / "quiet.html").write_text(
        "<article class='bd-article'><h1>Words</h1></article>"
    )
    page = PAGE.replace("WIDGET", ConvolutionExplorer().page_form())
    (site / "book" / "chapter.html").write_text(page.replace("QUIZ", Quiz(ASKED).page_form()))
    return site


def test_a_chapter_becomes_slides_in_the_order_of_its_text(made):
    slides = list(slides_of(made / "book" / "chapter.html"))
    assert [(slide.kind, slide.heading) for slide in slides] == [
        ("title", "A chapter"),
        ("part", "A part"),
        ("predict", "A part"),
        ("figure", "A part"),
        ("widget", "Deeper"),
        ("predict", "Quiz"),
    ]
    title, _, first, figure, widget, second = (slide.body for slide in slides)
    assert title == '<p>Why so, <a href="https://far.org">far</a>?</p>'
    assert "How many" in first and "Predict" in first and "remark" not in first
    assert figure == '<img alt="A line." src="data:image/png;base64,cGljdHVyZQ=="/>'
    assert "<svg" in widget and "aria-label" in widget
    assert "How <code>far</code>?" in second and "7.5 %. So &lt; far." in second
    assert second.index("<details>") < second.index("7.5")  # not seen before it is asked for


def test_a_deck_is_one_file_that_loads_nothing(made, tmp_path):
    [path] = write_slides(made, tmp_path / "slides")
    text = path.read_text()
    page = BeautifulSoup(text, "html.parser")
    assert path.name == "chapter.html" and page.title.string == "A chapter: slides"
    assert "const katex" in text and len(page.find_all("section")) == 6
    for tag in page.find_all(["img", "script", "link", "iframe"]):
        address = tag.get("src") or tag.get("href") or "data:"
        assert address.startswith("data:")
    style = page.style.string
    assert "url(" not in style and "@import" not in style and "break-after: page" in style
    with pytest.raises(FileNotFoundError, match="no built book"):
        write_slides(tmp_path / "nowhere", tmp_path / "slides")


def test_a_deck_without_formulas_holds_no_katex(made, tmp_path):
    page = made / "book" / "chapter.html"
    page.write_text(re.sub(r"<span class=.math.*?</span>", "n", page.read_text()))
    [path] = write_slides(made, tmp_path / "slides")
    assert "const katex" not in path.read_text()


def test_every_figure_of_the_book_is_on_a_slide(site, tmp_path):
    written = {path.stem: path.read_text() for path in write_slides(site, tmp_path)}
    count = 0
    for page in site.glob("book/**/*.html"):
        images = re.findall(r'<img[^>]*src="[./]*_images/[^>]*>', page.read_text())
        alts = [BeautifulSoup(image, "html.parser").img["alt"] for image in images]
        slides = BeautifulSoup(written.get(page.stem, ""), "html.parser")
        assert [image["alt"] for image in slides.select("section.figure img")] == alts, page
        count += len(alts)
    assert count > 40
