"""What a reader types into a quiz, as quiz_reading.js reads it."""

import json

import pytest

from tests.test_widgets_quiz import every_kind

NUMBERS = [
    *(
        ("2.5", 2.5),
        ("2,5", 2.5),
        (" −3 ", -3),
        ("+3", 3),
        (".5", 0.5),
        ("5.", 5),
        ("0,125", 0.125),
    ),
    *(
        ("61e6", 61e6),
        ("6.1E7", 61e6),
        ("6,1e-1", 0.61),
        ("61 M", 61e6),
        ("61M", 61e6),
        ("3 k", 3e3),
    ),
    *(
        ("1.5 million", 1.5e6),
        ("2 billion", 2e9),
        ("2 G", 2e9),
        ("6.1 × 10^7", 61e6),
        ("10^6", 1e6),
    ),
    *(
        ("6.1*10**7", 61e6),
        ("6.1·10⁷", 61e6),
        ("10⁻³", 1e-3),
        ("5/2", 2.5),
        ("½", 0.5),
        ("-1/4", -0.25),
    ),
    *(("61,000,000", 61e6), ("61.000.000", 61e6), ("61 000 000", 61e6), ("61'000", 61e3)),
    *(("61_000", 61e3), ("61\u202f000", 61e3), ("61,000.5", 61000.5), ("61.000,5", 61000.5)),
    *(("1 234,5", 1234.5), ("1234,567", 1234.567), ("1.234", 1.234), ("12,34", 12.34), ("007", 7)),
    *(("1,234", "unread.comma"), ("-12,345", "unread.comma"), ("", "empty.number")),
    *(("1,23,456", "unread.number"), ("1.2.3", "unread.number"), ("5 3", "unread.number")),
    *(
        (".", "unread.number"),
        ("-", "unread.number"),
        ("abc", "unread.number"),
        ("1/0", "unread.number"),
    ),
    *(("Infinity", "unread.number"), ("NaN", "unread.number"), ("1e999", "unread.number")),
    *(("0x10", "unread.no_unit"), ("61 m", "unread.no_unit"), ("50 %", "unread.no_unit")),
    *(("1e", "unread.no_unit"), ("2-3", "unread.no_unit"), ("1,000.5.5", "unread.number")),
]
WITH_UNITS = [
    *(
        ("%", "50 %", 50),
        ("%", "50%", 50),
        ("%", "50", 50),
        ("%", "50 M", 50e6),
        ("%", "5 k %", 5e3),
    ),
    *(
        ("%", "50 px", "unread.unit"),
        ("MB", "3 mb", 3),
        ("MB", "3", 3),
        ("MB", "3 MiB", "unread.unit"),
    ),
    *(("M", "61", 61), ("M", "61 M", 61), ("M", "61 million", 61), ("M", "61000 k", 61)),
    *(("M", "0.061 G", 61), ("M", "61e6", "unread.scale"), ("M", "61,000,000", "unread.scale")),
    *(("M", "61e6 M", 61e6), ("M", "61 m", "unread.unit"), ("M parameters", "61 M", 61)),
    *(("M parameters", "61 M parameters", 61), ("M parameters", "61 parameters", "unread.unit")),
    *(("M parameters", "61 thousand parameters", 0.061), ("m", "3 m", 3), ("m", "3 M", 3e6)),
    *(("m²", "3 m²", 3), ("px", "3 PX", 3), ("parameters", "61 M parameters", 61e6)),
]
SHAPES = [
    *(("64 x 27 x 27", [64, 27, 27]), ("64×27×27", [64, 27, 27]), ("(64, 27, 27)", [64, 27, 27])),
    *(("64 27 27", [64, 27, 27]), ("[64,27,27]", [64, 27, 27]), ("64X27", [64, 27]), ("64", [64])),
    *(("(64,)", [64]), ("64*27", [64, 27]), ("64; 27", [64, 27]), ("  64  27 ", [64, 27])),
    *(("", "empty.shape"), ("64,000 x 27", "unread.shape"), ("64 x", "unread.shape")),
    *(("0 x 3", "unread.shape"), ("-1 x 3", "unread.shape"), ("1.5 x 3", "unread.shape")),
    *(("3 by 3", "unread.shape"), ("x", "unread.shape"), ("1" * 16, "unread.shape")),
]

READ = """async (text) => {
  const { numberIn, shapeIn } = await import("./widgets/quiz_reading.js");
  const [numbers, shapes] = JSON.parse(text);
  const read = numbers.map(([unit, typed]) => numberIn(typed, unit));
  return JSON.stringify([read, shapes.map(shapeIn)]);
}"""


def test_what_is_typed_is_read_as_it_is_meant_and_never_guessed(show):
    typed = [("", *case) for case in NUMBERS] + WITH_UNITS
    asked = [[case[:2] for case in typed], [text for text, _ in SHAPES]]
    page = show(every_kind())
    numbers, shapes = json.loads(page.evaluate(READ, json.dumps(asked)))
    say = every_kind().words
    for case, read in [*zip(typed, numbers, strict=True), *zip(SHAPES, shapes, strict=True)]:
        expected = case[-1]
        if isinstance(expected, str):
            key, values = read["wrong"]
            assert key == expected, case
            assert say(key, **values)
        else:
            assert read == {"given": pytest.approx(expected, rel=1e-12)}, case
