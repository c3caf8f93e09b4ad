"""The switches widget as a reader meets it: its sums, pointer, keys, words."""

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from cnnlib.widgets.switches import METHODS, UNPOOLS, Switches
from tests.browser.model import choose, settle
from tests.test_widgets_switches import answered_cases


def state(page: Page) -> dict:
    return page.evaluate("document.querySelector('[data-cnn-widget]').cnnModel.state")


def spoken(page: Page):
    return page.locator(".cnn-spoken[role=status]")


def stage(page: Page, number: int):
    return page.locator(".sw-stage").nth(number)


def numbers(page: Page, number: int, back: bool = False) -> list[list[float]]:
    """What a stage's map shows, or the signal below it, as rows."""
    svg = stage(page, number).locator(".cnn-cells").nth(int(back))
    texts = [t.replace("−", "-") for t in svg.locator("text").all_text_contents()]
    columns = int(svg.evaluate("(node) => node.style.getPropertyValue('--cnn-columns')"))
    values = [float(t) if t else None for t in texts]
    return [values[i : i + columns] for i in range(0, len(values), columns)]


def cell(page: Page, number: int, place: tuple[int, int]) -> dict:
    """Where the middle of a cell is on its stage's map, for pointer and finger."""
    box = stage(page, number).locator(".cnn-cells .cnn-cells-paper").first.bounding_box()
    rows, columns = np.shape(numbers(page, number))
    return {
        "x": box["x"] + (place[1] + 0.5) * box["width"] / columns,
        "y": box["y"] + (place[0] + 0.5) * box["height"] / rows,
    }


def ringed(page: Page, number: int, back: bool = False) -> list[list[int]]:
    svg = stage(page, number).locator(".cnn-cells").nth(int(back))
    return svg.locator(".cnn-cells-ring").evaluate_all(
        "(rings) => rings.map((r) => ['cy', 'cx'].map((n) => (r.getAttribute(n) - 10) / 20))"
    )


def test_the_sums_are_torchs_in_every_small_case(show):
    page = show(Switches())
    given = [case for case, _ in answered_cases()]
    found = page.evaluate(
        """async (cases) => {
          const { forward, backward } = await import("./widgets/switches_sums.js");
          return cases.map((c) => {
            const stages = forward(c);
            return [stages.map((s) => s.values), stages[3].winners, backward(stages, c)];
          });
        }""",
        given,
    )
    for (maps, winners, signals), (_, answer) in zip(found, answered_cases(), strict=True):
        assert (maps, winners) == (answer[0], answer[1])
        for ours, theirs in zip(signals, answer[2], strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("second", ["left, not right", "none"])
def test_the_page_shows_every_map_every_signal_and_who_won(show, second):
    widget = Switches("scattered", second=second, pool="3×3, stride 2", method="gradient")
    page = show(widget)
    net, signals = widget.maps(), widget.signals()
    for number, values in enumerate(net["values"]):
        assert numbers(page, number) == values.tolist()
        assert numbers(page, number, back=True) == signals[number].tolist()
    assert page.locator(".sw-stage:visible").count() == len(net["values"])
    assert sorted(ringed(page, 2)) == sorted(net["winners"].reshape(-1, 2).tolist())
    for method, card in zip(METHODS, page.locator(".sw-method").all(), strict=True):
        texts = [float(t.replace("−", "-")) for t in card.locator("text").all_text_contents()]
        assert texts == widget.signals(method)[0].flatten().tolist()


@pytest.mark.parametrize("unpool", UNPOOLS)
def test_the_rings_on_the_way_back_stand_where_the_signal_lands(show, unpool):
    widget = Switches("scattered", pool="3×3, stride 2", unpool=unpool, second="all four")
    page = show(widget)
    back = {tuple(place) for place in ringed(page, 2, back=True)}
    landed = {tuple(map(int, place)) for place in np.argwhere(widget.signals()[2])}
    assert landed and back == landed


def test_steps_back_are_shown_one_by_one_and_said(show):
    page = show(Switches(step=0))
    slider = page.get_by_role("slider", name="Layers back")
    slider.focus()
    told = [page.locator(".sw-story").inner_text()]
    for step in range(6):
        for number in range(6):
            filled = numbers(page, number, back=True)[0][0] is not None
            assert filled == (5 - number <= step)
        if step < 5:
            page.keyboard.press("ArrowRight")
            settle(page)
            told.append(page.locator(".sw-story").inner_text())
            expect(spoken(page)).to_have_text(told[-1])
    assert state(page)["step"] == 5
    kinds = ["Start:", "ReLU 2, rule of Deconvnet", "Convolution 2 transposed", "Unpool:"]
    kinds += ["ReLU, rule of Deconvnet: r where r > 0", "Convolution transposed"]
    for words, kind in zip(told, kinds, strict=True):
        assert words.startswith(kind)
    signals = Switches().signals()
    stopped = np.count_nonzero(signals[2]) - np.count_nonzero(signals[1])
    assert stopped > 0 and f"{np.count_nonzero(signals[2])} signals arrived, {stopped}" in told[4]


def test_arrow_keys_choose_the_unit_and_the_choice_is_said(show):
    page = show(Switches("scattered", unit=[0, 0]))
    page.get_by_role("application", name="Top map").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    rows, columns = Switches("scattered").maps()["values"][-1].shape
    assert state(page)["unit"] == [min(2, rows - 1), 1]
    value = Switches("scattered").maps()["values"][-1][min(2, rows - 1), 1]
    expect(spoken(page)).to_contain_text(
        f"The top unit at row {min(2, rows - 1)}, column 1 is {value:g}."
    )


def test_a_click_chooses_the_unit(show):
    page = show(Switches("scattered", unit=[0, 0]))
    at = cell(page, 5, (1, 1))
    page.mouse.click(at["x"], at["y"])
    assert state(page)["unit"] == [1, 1]


def test_the_picture_is_painted_by_mouse_and_keys(show):
    page = show(Switches([[0] * 8] * 8))
    first, last = cell(page, 0, (1, 1)), cell(page, 0, (1, 3))
    page.mouse.move(first["x"], first["y"])
    page.mouse.down()
    page.mouse.move(last["x"], last["y"], steps=8)
    page.mouse.up()
    assert state(page)["picture"][1] == [0, 5, 5, 5, 0, 0, 0, 0]
    page.mouse.click(first["x"], first["y"])
    assert state(page)["picture"][1] == [0, 0, 5, 5, 0, 0, 0, 0]
    page.get_by_role("application", name="Picture").focus()
    for key in ("ArrowDown", "ArrowRight", "7", "ArrowRight", "Space", "ArrowRight", "Space"):
        page.keyboard.press(key)
    assert state(page)["picture"][2] == [0, 0, 7, 5, 5, 0, 0, 0]
    page.keyboard.press("Delete")
    expect(spoken(page)).to_contain_text("row 2, column 4: 0. The top unit at")
    page.keyboard.press("Home")
    expect(spoken(page)).to_have_text("row 2, column 0: 0")
    settle(page)
    now = state(page)["picture"]
    assert now[2] == [0, 0, 7, 5, 0, 0, 0, 0]
    assert numbers(page, 0) == now
    assert numbers(page, 1) == Switches(now).maps()["values"][1].tolist()
    chosen = page.get_by_label("Picture", exact=True).locator("option:checked")
    assert chosen.inner_text() == "your own"


def test_looking_at_a_pool_window_names_its_winner_and_frames_it(show):
    page = show(Switches("a step", kernel="upright edge"))
    at = cell(page, 3, (0, 1))
    page.mouse.move(at["x"], at["y"])
    window = page.locator(".sw-window")
    settle(page)
    assert window.inner_text() == (
        "Pool, row 0, column 1: the largest of rows 0 to 1, columns 2 to 3 is 12, at row 0, "
        "column 3. 2 places hold it: the first in reading order wins."
    )
    assert stage(page, 2).locator(".cnn-cells-frame").count() == 1
    page.mouse.move(2, 2)
    expect(window).to_contain_text("The first of 4 windows")
    stage(page, 3).get_by_role("application").focus()
    page.keyboard.press("ArrowRight")
    expect(spoken(page)).to_contain_text("Pool, row 0, column 1:")
    assert state(page)["unit"] == Switches("a step", kernel="upright edge").unit


def test_every_setting_is_reached_and_kept_legal(show):
    page = show(Switches("a step", second="none", unit=[2, 2]))
    page.get_by_label("Second kernel", exact=True).select_option("all four")
    assert (state(page)["unit"], state(page)["step"]) == ([1, 1], 5)
    page.get_by_label("Second kernel", exact=True).select_option("none")
    assert (state(page)["unit"], state(page)["step"]) == ([1, 1], 3)
    page.get_by_label("Second kernel", exact=True).select_option("all four")
    page.get_by_label("Picture", exact=True).select_option("a ring")
    page.get_by_label("Max pool", exact=True).select_option("3×3, stride 2")
    assert state(page)["unit"] == [0, 0]
    page.get_by_role("radio", name="Guided").check()
    page.get_by_label("On the way back").select_option("spread")
    page.get_by_label("Kernel", exact=True).select_option("spot")
    chosen = {"method": "guided", "unpool": "spread", "kernel": "spot", "pool": "3×3, stride 2"}
    assert state(page).items() >= chosen.items()
    widget = Switches("a ring", second="all four", unit=[0, 0], **chosen)
    shown = np.array(numbers(page, 0, back=True))
    assert np.abs(shown - widget.signals()[0]).max() <= 0.51
    rows = page.locator(".sw-methods tbody tr").all_inner_texts()
    assert [row.split("\t")[2] for row in rows] == [
        "where x > 0",
        "where r > 0",
        "where r > 0 and x > 0",
    ]


def test_a_change_from_python_is_drawn_in_whatever_order_it_comes(show):
    page = show(Switches("a step", second="none", unit=[2, 2]))
    widget = Switches("a corner", second="all four", pool="3×3, stride 2", unit=[1, 0], step=4)
    choose(page, **{n: getattr(widget, n) for n in ("step", "pool", "second", "picture", "unit")})
    settle(page)
    for number in range(1, 6):
        assert numbers(page, number) == widget.maps()["values"][number].tolist()
        assert numbers(page, number, back=True) == widget.signals()[number].tolist()
    assert numbers(page, 0, back=True)[0][0] is None


def test_a_dead_unit_says_that_nothing_goes_back(show):
    page = show(Switches([[0] * 8] * 8, step=0))
    assert page.locator(".sw-story").inner_text().endswith("not active: nothing goes back.")


def test_every_map_lies_inside_the_widget_at_every_width(show):
    page = show(Switches("a step"))
    for width in (1280, 800, 390):
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(f"innerWidth === {width}")
        settle(page)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        inside = page.locator(".cnn-widget").bounding_box()
        for shown in page.locator(".sw-stage:visible, .sw-method:visible").all():
            box = shown.bounding_box()
            assert box["x"] + box["width"] <= inside["x"] + inside["width"]
    box = stage(page, 0).locator(".cnn-cells-paper").first.bounding_box()
    assert box["width"] / 9 >= 24  # a finger's target
