"""python -m cnnlib.exercises write|verify FOLDER [CHAPTER ...]

write   from the sources under FOLDER (book), writes the public records and the exercises' places in
        the chapters
verify  runs each exercise's programs: its right ones must pass, its wrong ones must fail
"""

import argparse
import itertools
import sys
from pathlib import Path

from cnnlib.exercises.chapter import with_exercises
from cnnlib.exercises.record import RECORDS, write_records
from cnnlib.exercises.source import (
    SUFFIX,
    Source,
    SourceError,
    faults_of,
    read_sources,
    record_from,
)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m cnnlib.exercises", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("do", choices=["write", "verify"])
    parser.add_argument("folder", type=Path)
    parser.add_argument("chapter", nargs="*")
    asked = parser.parse_args(arguments)
    paths = [
        path
        for path in sorted(asked.folder.rglob(f"*{SUFFIX}"))
        if not asked.chapter or path.name.removesuffix(SUFFIX) in asked.chapter
    ]
    if not paths:
        parser.error(f"no *{SUFFIX} under {asked.folder} of {asked.chapter or 'any chapter'}")
    import torch  # noqa: F401  once here, not in every copy of this process

    try:
        return (write if asked.do == "write" else verify)(paths)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1


def write(paths: list[Path]) -> int:
    for path in paths:
        sources = read_sources(path)
        chapter = path.with_name(path.name.replace(SUFFIX, ".md"))
        text = with_exercises(chapter.read_text("utf-8"), sources)
        judged = [source for source in sources if isinstance(source, Source)]
        for source in judged:
            record_from(source, hidden=True)  # refuses a hidden case that has no value
        records = write_records([record_from(source) for source in judged])
        (Path(str(RECORDS)) / f"{chapter.stem}.json").write_text(records, "utf-8")
        chapter.write_text(text, "utf-8")
        print(f"{chapter}: {', '.join(source.name for source in sources)}")
    return 0


def verify(paths: list[Path]) -> int:
    faults = []
    sources = itertools.chain.from_iterable(map(read_sources, paths))
    for source in (source for source in sources if isinstance(source, Source)):
        found = faults_of(source)
        print(f"{'✗' if found else '✓'} {source.key}")
        faults += found
    print("\n".join(faults))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
