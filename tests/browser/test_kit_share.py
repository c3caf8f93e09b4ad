"""A state in the page's address, as kit/share.js writes it and reads it."""

import json
import random

import pytest

from tests.browser.conftest import write_page_of
from tests.browser.contract.choices import ODD

SHARE = """async (text) => {
  const [method, ...more] = JSON.parse(text);
  return JSON.stringify((await import("./widgets/kit/share.js"))[method](...more));
}"""


@pytest.fixture(scope="module")
def share(browser, serve, tmp_path_factory):
    """share(method, *arguments) -> what a function of share.js gives."""
    folder = tmp_path_factory.mktemp("share") / "site"
    write_page_of(folder)
    page = browser.new_page()
    page.goto(f"{serve(folder)}/")
    yield lambda *call: json.loads(page.evaluate(SHARE, json.dumps(call)))
    page.close()


def test_a_link_is_short_and_can_be_read(share):
    changes = {"step": 3, "method": "guided", "unit": [0, 1]}
    link = share("toAddress", "switches.2", changes, ["kernel", "second"])
    assert link == ("#cnn=1&widget=switches.2&step=3&method=guided&unit=[0,1]&hide=kernel,second")
    read = share("fromAddress", link, {"step": 0, "method": "", "unit": [0, 0]})
    assert read == {
        "version": "1", "widget": "switches.2", "changes": changes, "hidden": ["kernel", "second"],
        "faults": [], "tooLong": False,
    }  # fmt: skip


def test_every_value_comes_back_as_it_was(share):
    dice = random.Random(5)
    texts = [
        "",
        "a&b=c#d",
        "%zz",
        "100 %",
        "1",
        "null",
        '"',
        "é − ×",
        "a+b c",
        "[1]",
        "\u2028",
        "{",
    ]
    for _ in range(60):
        changes = {
            "text": dice.choice(texts),
            "any": dice.choice(ODD),
            "other": dice.choice(texts),
        }
        first = {"text": "t", "any": None, "other": "t"}
        if isinstance(changes["any"], str):
            first["any"] = "t"
        link = share("toAddress", "w.0", changes, ["other"])
        assert not set(link[1:]) & set('# "<>`')
        read = share("fromAddress", link, first)
        assert (read["changes"], read["faults"]) == (changes, [])
        assert read["hidden"] == ["other"]


@pytest.mark.parametrize(
    "text", ["", "x", "1e999", "-1e999", "[1,-1e999]", "{", "undefined", "NaN"]
)
def test_what_is_no_json_is_a_fault_and_no_value(share, text):
    read = share("fromAddress", f"#cnn=1&widget=w.0&n={text}&m=2", {"n": 1, "m": 1})
    assert (read["changes"], read["faults"]) == ({"m": 2}, ["n"])


@pytest.mark.parametrize("hash", ["", "#", "#section", "#cn=1", "cnn=1", "#xcnn=1&widget=w.0"])
def test_an_address_without_a_state_is_left_alone(share, hash):
    assert share("fromAddress", hash, {}) is None


def test_of_a_link_that_is_too_long_only_the_widget_is_read(share):
    read = share("fromAddress", f"#cnn=1&widget=w.0&n=1&m={'9' * 20_000}", {"n": 0, "m": 0})
    assert read["tooLong"] and (read["widget"], read["changes"]) == ("w.0", {})
