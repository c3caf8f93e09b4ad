"""``python -m cnnlib.weights verify [KEY]``: is what the records say of the weights still true?"""

import sys
from collections.abc import Sequence
from pathlib import Path

from cnnlib.data import DATASETS
from cnnlib.weights import WEIGHTS, find_record, load_weights, measure_accuracy
from cnnlib.weights.command_line import OneLineParser

# Two machines add in different orders, so an image on the brink may fall on the other side.
TOLERANCE = 0.001


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify one weight file or all: 0 if every record holds, 1 if not, 2 if a file is unusable."""
    parser = OneLineParser(prog="python -m cnnlib.weights", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser("verify", help="check files and measure the accuracy anew")
    verify.add_argument("key", nargs="?", help=f"one of {', '.join(WEIGHTS)}; all if left out")
    verify.add_argument(
        "--folder", type=Path, help="weights you trained, in place of those shipped"
    )
    options = parser.parse_args(arguments)
    if options.folder and not options.key:
        parser.error("--folder: name the KEY to look for in it")

    status = 0
    for key in [options.key] if options.key else WEIGHTS:
        try:
            record = find_record(key, options.folder)
            model = load_weights(key, options.folder)
        except (ValueError, OSError) as error:
            print(f"{parser.prog}: {error}", file=sys.stderr)
            status = 2
            continue
        test_set = DATASETS[record.dataset]("test")
        accuracy = measure_accuracy(model, record, test_set)
        holds = abs(accuracy - record.accuracy) <= TOLERANCE
        print(
            f"{key}: {accuracy:.2%} of {len(test_set)} test images right, "
            f"recorded {record.accuracy:.2%}: {'ok' if holds else 'DIFFERS'}"
        )
        if not holds:
            status = max(status, 1)
    return status


if __name__ == "__main__":
    sys.exit(main())
