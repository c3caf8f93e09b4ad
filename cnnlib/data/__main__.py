"""``python -m cnnlib.data tiny-imagenet``: fetch the image sets that do not ship."""

import sys
from collections.abc import Sequence
from pathlib import Path

from cnnlib.data import download_tiny_imagenet
from cnnlib.data.command_line import OneLineParser


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 when the file is there, 2 if it cannot be had, 130 when stopped."""
    parser = OneLineParser(prog="python -m cnnlib.data", description=__doc__)
    commands = parser.add_subparsers(dest="dataset", required=True)
    tiny = commands.add_parser("tiny-imagenet", help="248 MB, for research and teaching only")
    tiny.add_argument(
        "--folder", type=Path, help="where to put it; CNNLIB_DATA or ~/.cache/cnnlib if left out"
    )
    options = parser.parse_args(arguments)
    try:
        print(download_tiny_imagenet(options.folder))
    except (ValueError, OSError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print("\nstopped: the same command goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
