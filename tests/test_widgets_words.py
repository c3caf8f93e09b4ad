"""The widgets' sentences: how they are filled in; each is used, and each that is used exists."""

import ast
import json
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from cnnlib.widgets import words
from cnnlib.widgets.widget import TeachingWidget
from cnnlib.widgets.words import BLANK, Words, fixed_point, languages
from tests.browser.contract.language import PLAIN, accented
from tests.browser.contract.registry import every_widget, sample
from tests.conftest import ROOT

WIDGETS = ROOT / "cnnlib" / "widgets"
TABLES = sorted(words.HERE.glob("*/*.json"))


# --- Filling in -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values", "spoken"),
    [
        ("plain { } {} text", {}, "plain { } {} text"),
        ("{a} and {b} and {a}", {"a": 1, "b": "x"}, "1 and x and 1"),
        ("{n} {n|pixel|pixels}", {"n": 1}, "1 pixel"),
        ("{n} {n|pixel|pixels}", {"n": 0}, "0 pixels"),
        ("{n|one|}{n}", {"n": -1}, "−1"),
        ("{n} {x}", {"n": -12, "x": "-12"}, "−12 -12"),
        ("{a}", {"a": "{b}"}, "{b}"),
        ("{a}", {"a": r"\1 \g<0>", "unused": 1}, r"\1 \g<0>"),
    ],
)
def test_blanks_are_filled_in(text, values, spoken):
    assert Words({"key": text})("key", **values) == spoken


def test_what_cannot_be_spoken_is_an_error_that_names_it():
    say = Words({"key": "{n} {n|one|more}"})
    with pytest.raises(KeyError, match="no text for 'other'"):
        say("other")
    with pytest.raises(KeyError, match="'key' needs a value for 'n'"):
        say("key", m=1)
    for value in (0.5, True, None, [1]):
        with pytest.raises(TypeError, match=r"'key': n=.*: expected a text or a whole number"):
            say("key", n=value)


@pytest.mark.parametrize(
    ("value", "decimals", "text"),
    [(0.5, 0, "1"), (1.5, 0, "2"), (-0.5, 0, "−1"), (2.345, 1, "2.3"), (-0.04, 1, "0.0")]
    + [(1234.5, 2, "1234.50"), (-12, 0, "−12"), (0.125, 2, "0.13")],
)
def test_a_number_in_fixed_decimals_is_written_as_javascript_writes_it(value, decimals, text):
    assert fixed_point(value, decimals) == text


# --- Tables ---------------------------------------------------------------------------------------


def test_english_is_there_and_others_are_asked_for_by_name():
    assert "en" in languages()
    with pytest.raises(ValueError, match="language='xx': expected one of .*en"):
        sample("switches").__class__(language="xx")


@pytest.mark.parametrize("path", TABLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_table_has_no_key_twice_and_the_keys_and_blanks_of_english(path):
    pairs = json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=list)
    keys = [key for key, _ in pairs]
    assert sorted(set(keys)) == sorted(keys)
    english = json.loads((words.HERE / "en" / path.name).read_text(encoding="utf-8"))
    assert set(keys) == set(english)
    for key, text in pairs:
        assert text.strip() == text
        assert blanks(text) == blanks(english[key]), key
        assert "{" not in BLANK.sub("", text), f"{key}: a blank that is none"


def blanks(text: str) -> set[str]:
    return {blank[1] for blank in BLANK.finditer(text)}


def test_a_made_up_language_leaves_no_letter_plain_and_every_blank_as_it_is():
    assert not re.search("[A-Za-z]", accented(PLAIN))
    assert len(set(accented(PLAIN))) == len(PLAIN)
    text = accented("Rows {first} to {last}: {count} {count|row|rows}.")
    assert Words({"key": text})("key", first=1, last=2, count=2) == accented("Rows 1 to 2: 2 rows.")


# --- Keys -----------------------------------------------------------------------------------------
#
# A source's keys are read as patterns. A hole in a text stands for anything, or for one of two
# texts where it says so.

ANY = ".+"
ONE_OF_TWO = re.compile(r'[^"]*\? "([^"]*)" : "([^"]*)"')


class Source(NamedTuple):
    """What a file says: all its texts, and those that it speaks."""

    texts: set[str]
    spoken: set[str]


def read_python(code: str) -> Source:
    texts, spoken = set(), set()
    for node in ast.walk(ast.parse(code)):
        texts |= python_texts(node)
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        if name in ("say", "words", "Said"):
            spoken |= python_texts(node.args[0])
        elif name == "refuse" and len(node.args) == 2:  # a Settling's
            spoken |= python_texts(node.args[1])
    return Source(texts, spoken)


def python_texts(node: ast.AST) -> set[str]:
    if isinstance(node, ast.IfExp):
        return python_texts(node.body) | python_texts(node.orelse)
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return {re.escape(node.value)}
    if isinstance(node, ast.JoinedStr):
        parts = [getattr(part, "value", None) for part in node.values]
        return {"".join(re.escape(p) if isinstance(p, str) else ANY for p in parts)}
    return set()


def read_javascript(code: str) -> Source:
    """By its quotes alone, comments taken out: no text of ours holds an escaped quote."""
    code = re.sub(r"(?m)(^|[ ;{}(,])//.*$", r"\1", code)
    found = list(javascript_texts(code))
    masked = code  # each text that stands in no other is a word
    outer = [one for one in found if not any(o[0] < one[0] < o[2] for o in found)]
    for start, _, end in outer:
        masked = masked[:start] + "_" * (end + 1 - start) + masked[end + 1 :]
    texts, spoken = set(), set()
    for one in found:
        start, text, _ = one
        texts.add(text)
        before = (masked if one in outer else code)[:start].rstrip()
        call = re.search(r"(?:(?<!spoken\.)\bsay\(|\brefuse\([^(),]*,)([^(){},`]*)$", before)
        if call and not re.search(r"[!=]==$", before):
            spoken.add(text)
    return Source(texts, spoken)


def javascript_texts(code: str, start: int = 0, end: int | None = None):
    """(where it starts, its pattern, where it ends) of every text, nested ones too."""
    place = start
    while place < (len(code) if end is None else end):
        if code[place] == '"':
            close = code.index('"', place + 1)
            yield place, re.escape(code[place + 1 : close]), close
            place = close
        elif code[place] == "`":
            text, at = "", place + 1
            while code[at] != "`":
                if code.startswith("${", at):
                    close = closing_brace(code, at + 2)
                    yield from javascript_texts(code, at + 2, close)
                    two = ONE_OF_TWO.fullmatch(code[at + 2 : close])
                    text += "(?:{}|{})".format(*map(re.escape, two.groups())) if two else ANY
                    at = close
                else:
                    text += re.escape(code[at])
                at += 1
            yield place, text, at
            place = at
        place += 1


def closing_brace(code: str, start: int) -> int:
    """Where the brace ends that was opened before ``start``."""
    depth, place = 1, start
    while True:
        if code[place] in '"`':
            place = next(end for at, _, end in javascript_texts(code, place) if at == place)
        depth += {"{": 1, "}": -1}.get(code[place], 0)
        if depth == 0:
            return place
        place += 1


READ = {".py": read_python, ".js": read_javascript}


def sources_of(stem: str) -> dict[str, Source]:
    """A widget's own files and all that they import from beside them, by their names."""
    found: dict[Path, Source] = {}
    waiting = [WIDGETS / f"{stem}.js", WIDGETS / f"{stem}.py"]
    while waiting:
        path = waiting.pop()
        if path in found or not path.exists():
            continue
        code = path.read_text(encoding="utf-8")
        found[path] = READ[path.suffix](code)
        modules = re.findall(r'from "(\.[^"]+)"', code)
        waiting += [(path.parent / module).resolve() for module in modules]
        modules = re.findall(r"from cnnlib\.widgets\.(\w+) import", code)
        for names in re.findall(r"from cnnlib\.widgets import ([\w, ]+)", code):
            modules += names.replace(" ", "").split(",")
        waiting += [WIDGETS / f"{module}.py" for module in modules]
    return {path.name: source for path, source in found.items()}


@every_widget
def test_every_key_that_a_widget_speaks_exists(stem):
    table = sample(stem).words.table
    sources = sources_of(stem)
    assert sum(len(source.spoken) for source in sources.values()) > 20
    missing = {
        f"{name}: {key}"
        for name, source in sources.items()
        for key in source.spoken
        if not any(re.fullmatch(key, known) for known in table)
    }
    assert missing == set()


@pytest.mark.parametrize("path", sorted((words.HERE / "en").glob("*.json")), ids=lambda p: p.stem)
def test_every_key_of_a_table_is_used(path):
    """By a widget that has the table, its own or one that it shares with others, or by the host."""
    keys = set(json.loads(path.read_text(encoding="utf-8")))
    host = (ROOT / "book" / "_static" / "host.js").read_text(encoding="utf-8")
    keys = {key for key in keys if f'"{key}"' not in host}
    if path.stem == "contents":  # no widget's, but the page's own
        keys = {key for key in keys if not is_used(key, contents())}
    for stem in TeachingWidget.registry:
        if keys <= set(sample(stem).words.table):  # all that are left are this widget's, too
            for source in sources_of(stem).values():
                keys = {key for key in keys if not is_used(key, source)}
    assert keys == set()


def contents() -> Source:
    return read_javascript((WIDGETS / "kit" / "contents.js").read_text(encoding="utf-8"))


def test_every_key_that_the_contents_speak_exists():
    table = json.loads((words.HERE / "en" / "contents.json").read_text(encoding="utf-8"))
    assert len(contents().spoken) > 10
    for key in contents().spoken:
        assert any(re.fullmatch(key, known) for known in table), key


def is_used(key: str, source: Source) -> bool:
    """Whether a source has the key, or a text with holes that are filled to give it."""
    if re.escape(key) in source.texts:
        return True
    any_here = "[^.]+" if key.startswith("kit.") else ANY
    for text in source.texts:
        holed = ANY in text or "(?:" in text
        begins_as_keys_do = re.match(r"\w+\\\.", text)
        if not holed or not (begins_as_keys_do or text in source.spoken):
            continue
        # `${name}.${value}` fits all keys: then the name at least has to stand there.
        says_enough = len(text.replace(ANY, "")) > 3 or re.escape(key.split(".")[0]) in source.texts
        if says_enough and re.fullmatch(text.replace(ANY, any_here), key):
            return True
    return False


def test_keys_are_found_in_every_way_that_they_are_written():
    javascript = """say("a.one", { n: short(x) }); say(`b.${f(`}${"x"}`)}`); say(on ? "c" : "d.e");
        s.refuse("unit", "f.g"); say(method === "guided" ? "h" : `i.${n}.${m}`, { x: "none" });
        say(on ? `o.${p}.some` : `o.${p}`, { q }); say(`q.${r ? "s" : "t"}`);
        label: say("j") + `(${say("k", { y: `${z}` })})`; // say("no")
        say("l", { m: say(`n.${o}`) }, "not this")"""
    found = read_javascript(javascript).spoken
    plain = {re.sub(r"\\(.)", r"\1", key) for key in found}
    assert plain == {
        *("a.one", "b..+", "c", "d.e", "f.g", "h", "i..+..+", "j", "k", "l", "n..+"),
        *("o..+", "o..+.some", "q.(?:s|t)"),
    }
    python = """self.words("a.b", n=1); say(f"c.{self.way}", **values); s.refuse("x", "d", n=2)
say(
    "e.two" if two else f"e.{one}.x",
    rows=say("f"))"""
    plain = {re.sub(r"\\(.)", r"\1", key) for key in read_python(python).spoken}
    assert plain == {"a.b", "c..+", "d", "e.two", "e..+.x", "f"}
