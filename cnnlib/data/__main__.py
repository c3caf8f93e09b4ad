"""``python -m cnnlib.data NAME``: fetch an image set that does not ship."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from cnnlib.data import download_imagenette, download_tiny_imagenet
from cnnlib.data.command_line import OneLineParser

# Name: what fetches it into a folder, and how much that is.
DOWNLOADS: dict[str, tuple[Callable[[Path | None], Path], str]] = {
    "tiny-imagenet": (download_tiny_imagenet, "248 MB"),
    "imagenette": (download_imagenette, "99 MB"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 when the file is there, 2 if it cannot be had, 130 when stopped."""
    parser = OneLineParser(prog="python -m cnnlib.data", description=__doc__)
    commands = parser.add_subparsers(dest="dataset", required=True)
    for name, (_, size) in DOWNLOADS.items():
        command = commands.add_parser(name, help=f"{size}, for research and teaching only")
        command.add_argument(
            "--folder",
            type=Path,
            help="where to put it; CNNLIB_DATA or ~/.cache/cnnlib if left out",
        )
    options = parser.parse_args(arguments)
    try:
        print(DOWNLOADS[options.dataset][0](options.folder))
    except (ValueError, OSError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print("\nstopped: the same command goes on from here", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
