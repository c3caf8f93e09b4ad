"""The theme's icon fonts, cut down to the icons that the site uses.

A page preloads two fonts of 270 KB in all, half of what it weighs, for some twenty icons.
"""

import re
from importlib.util import find_spec
from pathlib import Path

from fontTools import subset
from sphinx.application import Sphinx

THEME = Path(find_spec("pydata_sphinx_theme").origin).parent / "theme" / "pydata_sphinx_theme"
FONTS = "vendor/fontawesome/webfonts"
ALL_ICONS = "fontawesome.js"  # the fonts' own script, which no page loads, names every icon
RULE = re.compile(r"([^{}]*)\{([^{}]*)\}")
NAME = re.compile(r"\bfa-[a-z0-9-]+")
# A private-use character, as it is or as CSS may write it.
ICON = re.compile(r'"(?:\\([0-9a-f]{4})|([\ue000-\uf8ff]))"')


def icons_in(static: Path, pages: Path) -> set[int]:
    """The code points that pages, scripts and styles ask of the icon fonts."""
    scripts = [file for file in static.rglob("*.js") if file.name != ALL_ICONS]
    named: set[str] = set()
    for file in (*pages.rglob("*.html"), *scripts):
        named.update(NAME.findall(file.read_text(encoding="utf-8")))
    found = set()
    for sheet in static.rglob("*.css"):
        for selector, body in RULE.findall(sheet.read_text(encoding="utf-8")):
            names = set(NAME.findall(selector))
            if not names or names & named:
                found |= {int(code, 16) if code else ord(one) for code, one in ICON.findall(body)}
    return found


def cut_icon_fonts(app: Sphinx, exception: Exception | None) -> None:
    """Put the fonts' used glyphs where the styles expect the whole fonts.

    They keep the name that the styles ask for, and are plain TrueType: a browser goes by what is in
    the file, and so few glyphs need no packing.
    """
    out = Path(app.outdir)
    if exception or not (out / "_static" / FONTS).is_dir():
        return
    wanted = icons_in(out / "_static", out)
    options = subset.Options(drop_tables=[*subset.Options().drop_tables, "GSUB", "GPOS"])
    for source in (THEME / "static" / FONTS).glob("*.ttf"):
        font = subset.load_font(str(source), options)
        cut = subset.Subsetter(options)
        cut.populate(unicodes=wanted)
        cut.subset(font)
        font.flavor = None
        font.save(out / "_static" / FONTS / f"{source.stem}.woff2")
        (out / "_static" / FONTS / source.name).unlink(missing_ok=True)


def setup(app: Sphinx) -> dict:
    app.connect("build-finished", cut_icon_fonts, priority=900)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
