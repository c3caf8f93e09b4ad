"""``python -m cnnlib.train KEY``: train a network and write its weights and record."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cnnlib.data.command_line import OneLineParser
from cnnlib.train import DEVIATIONS, RECIPES, train


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 when trained, 2 for a mistake, 130 when stopped with Ctrl-C."""
    parser = OneLineParser(prog="python -m cnnlib.train", description=__doc__)
    parser.add_argument("key", metavar="KEY", help=f"the network: {', '.join(RECIPES)}")
    parser.add_argument("--data", type=Path, help="folder or zip of images that do not ship")
    parser.add_argument("--dataset", help="another image set, such as tiny-imagenet-20")
    parser.add_argument("--epochs", type=int, help="how many times to see every image")
    parser.add_argument("--seed", type=int, help="another start, another order of the images")
    parser.add_argument("--limit", type=int, help="train on the first LIMIT images only")
    parser.add_argument("--output", type=Path, default=Path("trained"), help="folder to write to")
    parser.add_argument("--resume", action="store_true", help="go on with a run that was stopped")
    parser.add_argument("--force", action="store_true", help="replace weights that are there")
    parser.add_argument(
        "--snapshots",
        type=epochs,
        default=(),
        metavar="0,1,5",
        help="epochs whose weights are kept too; 0 is the start",
    )
    options = parser.parse_args(arguments)
    if options.key not in RECIPES:
        parser.error(f"unknown key {options.key!r}; known: {', '.join(RECIPES)}")
    changes = {
        name: value
        for name in ("dataset", "epochs", "seed", "limit")
        if (value := getattr(options, name)) is not None
    }
    try:
        record = train(
            options.key,
            replace(RECIPES[options.key], **changes),
            options.output,
            data=options.data,
            force=options.force,
            resume=options.resume,
            snapshots=options.snapshots,
        )
    except (ValueError, OSError, FloatingPointError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        kept = (options.output / f"{options.key}.checkpoint").exists()
        print("\nstopped:", "--resume goes on after the last epoch" if kept else "nothing to keep")
        return 130
    print(f"{record.file}: {record.accuracy:.2%} of {record.tested_on} test images right")
    print(f"SHA-256 {record.sha256}")
    if options.key in DEVIATIONS:
        departure = DEVIATIONS[options.key]
        print(f"It departs from the common recipe: {departure.changes}\n  {departure.reason}")
    return 0


def epochs(text: str) -> tuple[int, ...]:
    """Epochs, as the command line has them: numbers and commas."""
    return tuple(int(number) for number in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
