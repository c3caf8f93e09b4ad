"""An exercise's place in its chapter: what a student sees of it, written from its source.

In the chapter stands, alone on a line, ``<!-- exercise: outputs -->`` and further down
``<!-- end of exercise -->``. What is between is written by ``python -m cnnlib.exercises write``.
"""

import re
from collections.abc import Sequence

from cnnlib.exercises.record import in_points
from cnnlib.exercises.source import Experiment, Source, SourceError

PLACE = re.compile(
    r"^<!-- exercise: (\w+) -->\n(.*?)^<!-- end of exercise -->$", re.MULTILINE | re.DOTALL
)
ON_THE_PAGE = """
```{{code-cell}} python
:tags: [remove-input]
CodeExercise(**exercise("{key}"))
```
"""
IN_A_NOTEBOOK = """
```{{code-cell}} python
{tags}{starter}
check("{key}", {name})
```
"""


def with_exercises(text: str, sources: Sequence[Source | Experiment]) -> str:
    """A chapter's text with its exercises written into their places, numbered as they come.

    Raises:
        SourceError: if an exercise has no place, or a place no exercise.
    """
    by_name = {source.name: source for source in sources}
    places = [match[1] for match in PLACE.finditer(text)]
    if sorted(places) != sorted(by_name):
        raise SourceError(
            f"{sources[0].key.partition('.')[0]}: places for {sorted(places)}, "
            f"exercises {sorted(by_name)}; expected one place each"
        )

    def written(match: re.Match) -> str:
        source = by_name[match[1]]
        block = write_exercise(source, places.index(source.name) + 1)
        return f"<!-- exercise: {source.name} -->\n{block}\n<!-- end of exercise -->"

    return PLACE.sub(written, text)


def write_exercise(source: Source | Experiment, number: int) -> str:
    """The prompt; the editor, where the exercise runs on the page; the cell of a notebook."""
    if isinstance(source, Experiment):
        return _write_experiment(source, number)
    on_page = source.page
    head = f"**{number}.** {source.prompt} *({in_points(source.points)})*"
    tags = ":tags: [remove-cell]\n" if on_page else ""
    page = ON_THE_PAGE.format(key=source.key) if on_page else ""
    cell = IN_A_NOTEBOOK.format(tags=tags, starter=source.starter, key=source.key, name=source.name)
    return f"{head}\n{page}{cell}".rstrip() + "\n"


def _write_experiment(source: Experiment, number: int) -> str:
    cell = f"\n```{{code-cell}} python\n{source.starter}```\n" if source.starter else ""
    rubric = "\n".join(f"| {points} | {what} |" for points, what in source.rubric)
    return (
        f"**{number}.** *An experiment.* {source.prompt} *({in_points(source.points)})*\n{cell}\n"
        f"*Hand in*: {source.handin}\n\n| points | for |\n|--:|---|\n{rubric}\n"
    )
