"""The equivariance widget as a reader meets it: its sums, the drag, the keys, what is said."""

import json

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from cnnlib.widgets.equivariance import Equivariance, draw_pictures
from cnnlib.widgets.equivariance_sums import RESULTS, SIDE, report
from cnnlib.widgets.pixels import Scale, palette
from tests.browser.model import choose, chosen, settle
from tests.test_widgets_equivariance import some_picture, some_states

TWINS = """async (cases) => {
  const { report } = await import("./widgets/equivariance_sums.js");
  return JSON.stringify(cases.map(([picture, state]) => report(picture, state)));
}"""


@pytest.mark.parametrize("drawn", [False, True])
def test_both_languages_sum_alike_over_many_states(show, drawn):
    page = show(Equivariance())
    pictures = list(draw_pictures().values())
    cases = [
        (pictures[n % 2] if drawn else some_picture(n), state)
        for n, state in enumerate(some_states(120, seed=21 + drawn))
    ]
    given = [[picture.tolist(), state] for picture, state in cases]
    for (picture, state), theirs in zip(
        cases, json.loads(page.evaluate(TWINS, given)), strict=True
    ):
        ours = report(picture, state)
        assert theirs.keys() == ours.keys()
        assert [theirs[n] for n in ("kind", "step", "differing")] == [
            ours[n] for n in ("kind", "step", "differing")
        ], state
        assert theirs["inside"] == ours["inside"].tolist(), state
        for name in ("moved", *RESULTS):
            np.testing.assert_allclose(theirs["maps"][name], ours["maps"][name], atol=1e-9)
        for name in ("largest", "largest_inside", "control", "reach", "unmoved"):
            assert (theirs[name] is None) == (ours[name] is None), (name, state)
            if ours[name] is not None:
                assert theirs[name] == pytest.approx(ours[name], abs=1e-9, rel=1e-9)


def fact(page: Page, name: str) -> str:
    row = page.locator(".eq-facts tr").filter(has=page.get_by_role("rowheader", name=name))
    return row.locator("td").inner_text()


def drag(page: Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    """From a pixel (row, column) of the moved picture to another, by mouse."""
    box = page.locator(".eq-drag").bounding_box()
    points = [
        (box["x"] + column * box["width"] / SIDE, box["y"] + row * box["height"] / SIDE)
        for row, column in (start, end)
    ]
    page.mouse.move(*points[0])
    page.mouse.down()
    page.mouse.move(*points[1], steps=4)
    page.mouse.up()
    settle(page)


def test_the_picture_is_dragged_and_the_verdict_follows(show):
    page = show(Equivariance(picture="blocks"))
    verdict = page.locator(".eq-verdict")
    expect(verdict).to_contain_text("Nothing has moved yet")
    drag(page, (10, 10), (14, 7))
    assert chosen(page, "down", "right") == {"down": 4, "right": -3}
    expect(verdict).to_have_text(
        "Equal in the 930 cells that read nothing from behind an edge. The "
        f"{report(draw_pictures()['blocks'], Equivariance(down=4, right=-3).chosen())['differing']}"
        " cells that differ all read across the border."
    )
    drag(page, (10, 10), (200, 10))  # further than the picture goes
    assert chosen(page, "down", "right") == {"down": 18, "right": -3}


def test_a_drag_turns_around_the_middle_and_scales_from_it(show):
    page = show(Equivariance(move="turn", angle=165))
    drag(page, (18, 30), (6, 18))  # from the right to the top: a quarter, anticlockwise
    assert chosen(page, "angle") == {"angle": -105}
    page.get_by_role("radio", name="scale", exact=True).check()
    drag(page, (18, 24), (18, 27))
    assert chosen(page, "percent") == {"percent": 150}
    drag(page, (18, 24), (18, 35))
    assert chosen(page, "percent") == {"percent": 200}


@pytest.mark.parametrize(
    ("move", "key", "name", "value"),
    [
        ("shift", "ArrowDown", "down", 1),
        ("shift", "ArrowLeft", "right", -1),
        ("turn", "ArrowRight", "angle", 15),
        ("turn", "ArrowDown", "angle", -15),
        ("scale", "ArrowUp", "percent", 110),
        ("scale", "ArrowLeft", "percent", 90),
    ],
)
def test_arrow_keys_move_turn_and_scale_and_it_is_said(show, move, key, name, value):
    page = show(Equivariance(picture="blocks", move=move))
    page.locator(".eq-drag").focus()
    page.keyboard.press(key)
    settle(page)
    assert chosen(page, name) == {name: value}
    widget = Equivariance(picture="blocks", move=move, **{name: value})
    told = widget.report()
    expect(page.locator(".eq-verdict")).to_have_text(widget.verdict(told))
    expect(page.locator(".cnn-spoken[role=status]")).to_contain_text(widget.verdict(told))


def levels(page: Page, area: str) -> np.ndarray:
    """The colours of a map's canvas, (H, W, 3)."""
    data, height, width = page.evaluate(
        """(area) => { const c = document.querySelector(`[style*="grid-area: ${area}"] canvas`);
          return [[...c.getContext("2d").getImageData(0, 0, c.width, c.height).data],
            c.height, c.width]; }""",
        area,
    )
    return np.array(data).reshape(height, width, 4)[..., :3]


def test_every_map_is_drawn_on_one_scale_and_the_outline_is_that_of_the_cells_inside(show):
    widget = Equivariance(picture="blocks", pool="mean", stride=2, right=5, down=2)
    page = show(widget)
    told = widget.report()
    scale = Scale(-told["reach"], told["reach"], signed=True)
    areas = ("answer", "first", "last", "difference")
    for area, name in zip(areas, RESULTS, strict=True):
        away = np.abs(
            levels(page, area).astype(int) - palette(signed=True)[scale.levels(told["maps"][name])]
        )
        assert away.max() <= 12  # half of a level may be rounded up or down
    assert (levels(page, "moved")[..., 0] == told["maps"]["moved"]).all()
    path = page.locator(".eq-line").get_attribute("d")
    inside = np.pad(told["inside"], 1).astype(int)
    edges = sum(int(np.abs(np.diff(inside, axis=axis)).sum()) for axis in (0, 1))
    assert path.count("M") == edges


def test_the_facts_are_the_reports_and_say_where_there_are_none(show):
    page = show(Equivariance(picture="blocks", right=2))
    told = Equivariance(picture="blocks", right=2).report()
    assert fact(page, "Cells that differ") == f"{told['differing']} of {SIDE * SIDE}"
    assert fact(page, "inside the outline") == "0"
    choose(page, move="scale", percent=50, stride=3, pool="mean", pool_size=4, pool_stride=3)
    settle(page)
    assert fact(page, "inside the outline") == "no cell is inside"
    expect(page.locator(".eq-verdict")).to_contain_text("cannot be told apart")


def test_only_what_counts_can_be_set(show):
    page = show(Equivariance())
    expect(page.get_by_role("slider", name="Pool size")).to_be_hidden()
    page.get_by_role("radio", name="mean").check()
    expect(page.get_by_role("slider", name="Pool size")).to_be_visible()
    for move, names in {"shift": ["Down", "Right"], "turn": ["Turn"], "scale": ["Scale"]}.items():
        page.get_by_role("radio", name=move, exact=True).check()
        for name in ("Down", "Right", "Turn", "Scale"):
            shown = page.get_by_role("slider", name=name, exact=True)
            expect(shown).to_have_count(1 if name in names else 0)


@pytest.mark.parametrize("width", [1000, 390])
def test_every_map_lies_inside_the_page(show, width):
    page = show(Equivariance(pool="max"), width=width)
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    place = page.locator(".cnn-widget").bounding_box()
    for map_ in page.locator(".eq-stage").all():
        box = map_.bounding_box()
        assert box["width"] > 140 and abs(box["width"] - box["height"]) < 2
        assert box["x"] + box["width"] <= place["x"] + place["width"]
