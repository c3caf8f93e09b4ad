"""The page's verdicts and Python's are the same, on the library's own exercises."""

import itertools
import json
import random

from cnnlib.exercises.agreement import Result, Run, judge
from cnnlib.exercises.record import chapters, records_of
from tests.browser.conftest import write_page_of


def test_what_is_said_of_a_wrong_program_is_said_in_both_languages(new_page, serve, tmp_path):
    """The library's records, with what made-up programs give: a known mistake's values in some of
    the cases, the right ones or others in the rest."""
    dice = random.Random(5)
    asked = []
    for record in itertools.chain.from_iterable(map(records_of, chapters())):
        asked.append((record, [case.expected for case in record.cases]))
        for _ in range(6):
            which = dice.randrange(len(record.mistakes))
            values = []
            for case in record.cases:
                known = [one.value for one in case.known if one.sentence == which]
                others = [case.expected, None, 0, *(one.value for one in case.known)]
                as_known = known[0] if known else case.expected
                values.append(as_known if dice.random() < 0.9 else dice.choice(others))
            asked.append((record, values))
    verdicts = [judge(record, Run(tuple(map(Result, values)))) for record, values in asked]
    assert {"mistake", "differs", "right"} <= {verdict.kind for verdict in verdicts}
    write_page_of(tmp_path / "site")
    page = new_page()
    page.goto(f"{serve(tmp_path / 'site')}/")
    found = page.evaluate(
        """async (text) => {
            const { judge } = await import("./widgets/agreement.js");
            return JSON.parse(text).map(([record, values]) => {
                const results = values.map((value) => ({ value }));
                const found = judge(record, { results, printed: "", ended: "" });
                return [found.kind, found.case, found.say];
            });
        }""",
        json.dumps([(record.as_json(), values) for record, values in asked]),
    )
    assert found == [[one.kind, one.case, one.sentence] for one in verdicts]
