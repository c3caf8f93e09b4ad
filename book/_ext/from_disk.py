"""What the site needs besides, to be opened from disk by a double-click on a page.

A page with a file: address may import no module, and a canvas on which a picture from a file has
been drawn may not be read. It may load classic scripts. So the build writes the widgets' modules as
one such script, and beside each picture of a widget, whose pixels may be read, another that holds
it. ``host.js`` loads them where a page comes from disk, and nowhere else.
"""

import base64
import json
from importlib.util import find_spec
from pathlib import Path

from sphinx.application import Sphinx

from cnnlib.widgets.bundle import bundle_script, widgets_in

WIDGETS = Path(find_spec("cnnlib").origin).parent / "widgets"


def write_widgets(static: Path) -> None:
    """Write ``from_disk.js``: it sets ``cnnWidgets`` to an object, widget's name -> its module.

    The contents' module is among them, so that it and the widgets have one store of answers.
    """
    script = bundle_script(WIDGETS, [*widgets_in(WIDGETS), "kit/contents"], "cnnWidgets")
    (static / "from_disk.js").write_text(script, encoding="utf-8")


def write_pictures(static: Path) -> None:
    """Write beside each picture a script that puts it into ``cnnPictures``."""
    for picture in pictures_in(static):
        name, kind = picture.relative_to(static).as_posix(), picture.suffix.removeprefix(".")
        packed = base64.b64encode(picture.read_bytes()).decode("ascii")
        address = f"data:image/{kind};base64,{packed}"
        entry = f"(globalThis.cnnPictures ??= {{}})[{json.dumps(name)}] = {json.dumps(address)};\n"
        picture.with_name(f"{picture.name}.js").write_text(entry)


def pictures_in(static: Path) -> list[Path]:
    """The widgets' pictures that stand in files."""
    return sorted([*static.glob("pictures/*.png"), *static.glob("pictures/*.webp")])


def write_scripts(app: Sphinx, exception: Exception | None) -> None:
    static = Path(app.outdir) / "_static"
    write_widgets(static)
    write_pictures(static)


def setup(app: Sphinx) -> dict:
    app.connect("build-finished", write_scripts, priority=100)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
