"""What a widget owes its reader, as checks of a page. Each returns the faults that it finds.

``widget`` is the widget's element on ``page``; :func:`ready` puts reader.js into the page first.
Some checks move the page's clock (``page.clock.install()`` before it was loaded).
"""

import io
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from playwright.sync_api import Locator, Page

from tests.browser.conftest import wait_for_widgets

READER = (Path(__file__).parent / "reader.js").read_text(encoding="utf-8")
QUIET = 300  # milliseconds, after which a change has been drawn and told


def ready(page: Page) -> Page:
    """The page once its widgets run, with reader.js in it."""
    wait_for_widgets(page)
    if not page.evaluate("'reader' in window"):
        page.evaluate(READER)
        page.evaluate("reader.learnNames()")
    return page


def anew(page: Page) -> Page:
    """The page as one who has never been here finds it: what the browser has kept is gone."""
    page.evaluate("localStorage.clear()")
    page.reload()
    return ready(page)


def state_of(widget: Locator) -> dict:
    """The value of every choice."""
    return widget.evaluate("(root) => reader.state(root)")


def put(widget: Locator, state: dict) -> None:
    """Set a state whole, as a kernel would, and wait until it has been drawn."""
    widget.evaluate("(root, state) => { reader.put(root, state); return reader.frames(); }", state)


def stop_clock(page: Page) -> None:
    """From now on time goes only as far as the test lets it."""
    page.clock.pause_at(page.evaluate("Date.now() / 1000") + 1)


# --- Where it stands -----------------------------------------------------------------------------


def sideways(page: Page, width: int) -> list[str]:
    """What makes the page wider than its window."""
    if page.evaluate("document.documentElement.scrollWidth") <= width:
        return []
    return page.evaluate(
        """() => ["wider than its window:", ...[...document.querySelectorAll("body *")]
            .filter((node) => node.getBoundingClientRect().right > innerWidth + 1)
            .map((node) => `${node.tagName}.${node.getAttribute("class")}`)]"""
    )


def cut_off(widget: Locator) -> list[str]:
    """What reaches beyond the widget's right edge; a widget clips it, so the page stays as wide."""
    return widget.evaluate("(root) => reader.cutOff(root)")


def small_targets(widget: Locator) -> list[str]:
    """Controls that are smaller than 24 pixels for a finger, their labels counted in."""
    return widget.evaluate("(root) => reader.smallTargets(root)")


def turn_theme(page: Page) -> None:
    page.evaluate("reader.turnTheme()")


def deaf_drawings(page: Page, widget: Locator) -> list[str]:
    """SVG drawings that have the same colours in both themes."""
    colours = []
    for _ in range(2):
        colours.append(widget.evaluate("(root) => reader.colours(root)"))
        turn_theme(page)
    return [svg for (svg, one), (_, other) in zip(*colours, strict=True) if one == other]


def printed_wrong(page: Page) -> list[str]:
    """On paper a widget's still picture stands in its place."""
    page.emulate_media(media="print")
    try:
        return page.evaluate("reader.printedWrong()")
    finally:
        page.emulate_media(media="screen")


def picture_of(page: Page, widget: Locator) -> np.ndarray:
    """The widget's pixels, (H, W, 3), without its line of tools."""
    page.wait_for_function("!document.querySelector('[aria-busy=true]')")
    page.mouse.move(2, 2)
    picture = widget.screenshot(
        animations="disabled", caret="hide", style=".cnn-tools { display: none; }"
    )
    return np.asarray(Image.open(io.BytesIO(picture)).convert("RGB"), int)


def differing(one: np.ndarray, other: np.ndarray) -> int:
    """How many pixels differ by more than the rounding of an edge; -1 where the sizes do."""
    if one.shape != other.shape:
        return -1
    return int((np.abs(one - other).max(axis=2) > 16).sum())


# --- Keys ----------------------------------------------------------------------------------------


def tab_faults(page: Page, widget: Locator) -> list[str]:
    """Tab reaches every control, shows where it is, and leaves; with Shift it leads back."""
    expected = widget.evaluate("(root) => reader.numberStops(root)")
    faults, reached = [], []
    for _ in range(len(expected) + 1):
        page.keyboard.press("Tab")
        stop, marked, markup = page.evaluate("reader.stop()")
        if stop == "after":
            break
        reached.append(stop)
        if not marked:
            faults.append(f"no visible focus: {markup}")
    else:
        faults.append(f"Tab does not leave: {reached}")
    if sorted(set(reached)) != sorted(expected):
        faults.append(f"Tab reaches {reached}, there are {expected}")
    if expected and not faults:
        page.keyboard.press("Shift+Tab")
        back = page.evaluate("reader.stop()")[0]
        if back != expected[-1]:
            faults.append(f"Shift and Tab lead from behind to {back}, not to {expected[-1]}")
    widget.evaluate("(root) => reader.clearStops(root)")
    return faults


COMPOSITES = "[role=application], [role=grid], [role=listbox], [role=radiogroup], [role=tablist]"


def arrow_faults(page: Page, widget: Locator) -> list[str]:
    """Arrow keys move in what takes them, leave the focus there, and do not scroll the page."""
    faults = []
    for part in widget.locator(COMPOSITES).all():
        if not part.evaluate("(part) => reader.isShown(part)"):
            continue
        name = part.evaluate("(part) => reader.nameOf(part)")
        part.evaluate("(part) => reader.enter(part)")
        seen = set()
        for key in ("ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp"):
            page.keyboard.press(key)
            now = part.evaluate("(part) => reader.afterKey(part)")
            seen.add(now["shown"])
            if not now["inside"]:
                faults.append(f"{key} takes the focus away from {name}")
            if now["scrolls"] and key in ("ArrowDown", "ArrowUp"):
                faults.append(f"{key} in {name} scrolls the page")
        if len(seen) < 2:
            faults.append(f"arrow keys do nothing in {name}")
    return faults


def hurry_faults(page: Page, widget: Locator) -> list[str]:
    """Keys and clicks that come faster than frames lead where slow ones lead."""
    runs = []
    for slow in (False, True):
        anew(page)
        runs.append(widget.evaluate("(root, slow) => reader.hurry(root, slow)", slow))
    return [
        f"{name}: in a hurry {fast}, else {slow}"
        for (name, fast), (_, slow) in zip(*runs, strict=True)
        if fast != slow
    ][:1]


# --- Moving everything once -----------------------------------------------------------------------


class Moved(NamedTuple):
    """What came of moving every control once."""

    changed: set[str]  # the choices that a move changed
    lost_focus: list[str]
    not_undone: list[str]
    texts: set[str]  # all that was to be seen and heard


def move_everything(page: Page, widget: Locator) -> Moved:
    """Move each control once; what it chose is undone, by the button and by the keys."""
    moved = Moved(set(), [], [], set(widget.evaluate("(root) => reader.texts(root)")))
    for index in range(400):
        move = widget.evaluate("(root, index) => reader.moveOne(root, index)", index)
        if move is None:
            return moved
        page.clock.run_for(QUIET)
        page.wait_for_function("!document.querySelector('[aria-busy=true]')")
        faults = widget.evaluate(
            "(root, move) => reader.takeBack(root, move)", {**move, "index": index}
        )
        moved.changed.update(move["changed"])
        moved.texts.update(faults["texts"])
        moved.lost_focus.extend([move["name"]] if faults["focus"] else [])
        moved.not_undone.extend(f"{move['name']}: by {how}" for how in faults["undo"])
    raise AssertionError("the controls have no end")


def reset_faults(widget: Locator, first: dict, states: list[dict]) -> list[str]:
    """Reset leads back to the first state, and can be undone."""
    faults = []
    for state in states:
        put(widget, state)
        after, undone = widget.evaluate(
            """(root) => { reader.reset(root); const after = reader.state(root);
                reader.undo(root); return [after, reader.state(root)]; }"""
        )
        if after != first:
            faults.append(f"Reset from {state} leads to {after}")
        if undone != state:
            faults.append(f"Reset from {state}, undone, is {undone}")
    put(widget, first)
    return faults


# --- Pointer and finger ---------------------------------------------------------------------------


def touch_faults(page: Page, widget: Locator) -> list[str]:
    """Taps choose what clicks choose, on every control and at three places of every picture.

    The page is loaded anew for the taps. Its clock stands but for some frames after each press.
    """
    runs = []
    for press in (page.mouse.click, page.touchscreen.tap):
        stop_clock(ready(page))
        states = []
        for index in range(widget.evaluate("(root) => reader.keepControls(root)")):
            # Not on the tenths, where the cells of a table of digits meet: a pixel would decide.
            for place in [(0.53, 0.54), (0.31, 0.43), (0.83, 0.22)]:
                box = widget.evaluate("(root, index) => reader.boxOf(root, index)", index)
                if box is None or (not box["picture"] and place != (0.53, 0.54)):
                    continue
                x, y = place
                # A click's place is in whole pixels where it comes from a finger.
                press(round(box["x"] + x * box["width"]), round(box["y"] + y * box["height"]))
                page.clock.run_for(64)
                states.append((box["name"], state_of(widget)))
        runs.append(states)
        page.clock.resume()
        anew(page)
    for clicked, tapped in zip(*runs, strict=True):
        if clicked != tapped:
            return [f"a click gives {clicked}, a tap {tapped}"]
    return []


# --- Movement -------------------------------------------------------------------------------------


def idle_on_a_stopped_clock(page: Page) -> None:
    """Lets frames pass until nothing is at work: what a network answers is drawn in a frame."""
    end = time.monotonic() + 20
    while page.evaluate("!!document.querySelector('[aria-busy=true]')"):
        assert time.monotonic() < end, "still at work after 20 seconds"
        page.clock.run_for(20)


def plays_by_itself(page: Page, widget: Locator) -> list[str]:
    """What goes on by itself after a button has been pressed."""
    faults = []
    for index in range(widget.locator("button").count()):
        name = widget.evaluate(
            """(root, index) => { const button = root.querySelectorAll("button")[index];
                if (!button || !reader.isShown(button)) return null;
                button.click();
                return reader.nameOf(button); }""",
            index,
        )
        if name is None:
            continue
        page.clock.run_for(QUIET)
        idle_on_a_stopped_clock(page)
        page.clock.run_for(QUIET)
        before = widget.evaluate("(root) => [reader.state(root), reader.drawn(root)]")
        page.clock.run_for(5000)
        if widget.evaluate("(root) => [reader.state(root), reader.drawn(root)]") != before:
            faults.append(f"{name} starts a movement")
        if page.evaluate("document.getAnimations().length"):
            faults.append(f"{name} starts an animation")
    return faults


# --- Drawing and announcing -----------------------------------------------------------------------


def drawing_faults(widget: Locator, states: list[dict]) -> list[str]:
    """Many states of one frame are drawn once, and the same state again not at all."""
    for state in (states[-1], states[0]):  # pictures that come from files are there from now on
        put(widget, state)
        widget.page.wait_for_function("!document.querySelector('[aria-busy=true]')")
    drawn = widget.evaluate("(root, states) => reader.burst(root, states)", states)
    faults = []
    if len(drawn["first"]) != 1:
        faults.append(f"{len(states)} choices of one frame were drawn in frames {drawn['first']}")
    if drawn["again"]:
        faults.append(f"the same state was drawn again in frames {drawn['again']}")
    return faults


def announcements(page: Page, widget: Locator, states: list[dict]) -> list[str]:
    """What is said aloud of many states that come one after the other."""
    stop_clock(page)
    widget.evaluate("(root) => reader.listen(root)")
    for state in states:
        widget.evaluate("(root, state) => reader.put(root, state)", state)
        page.clock.run_for(20)
    page.clock.run_for(1000)
    page.clock.resume()
    return widget.evaluate("(root) => root.said")
