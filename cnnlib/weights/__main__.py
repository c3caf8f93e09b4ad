"""``python -m cnnlib.weights verify [KEY]``: is what the records say of the weights still true?
``python -m cnnlib.weights snapshots KEY FOLDER`` keeps what ships of a training's snapshots.

Every file is checked against its SHA-256 and its network's shapes. Then the accuracy is measured
anew, where the images are at hand, and has to be the recorded one but for images that are too close
to call: those whose right score is so near to the rival's that another machine's rounding may turn
it. How many these are is counted and shown; more than one in a hundred prove nothing, so then the
record does not hold. What was not measured is said.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn

from cnnlib.data import DATASETS, ImageSet, LayoutError, load_dataset
from cnnlib.data.command_line import OneLineParser
from cnnlib.weights.measuring import find_undecided, rank_labels, score_images
from cnnlib.weights.records import (
    WEIGHTS,
    Records,
    WeightFile,
    find_record,
    load_weights,
)
from cnnlib.weights.snapshots import write_snapshots

NOT_MEASURED = "the file is as recorded; accuracy NOT measured"


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify one weight file or all: 0 if nothing is wrong, 1 if a record does not hold, 2 if
    something is unusable: a file, or the images at ``--data``.
    """
    parser = OneLineParser(prog="python -m cnnlib.weights", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser("verify", help="check files and measure the accuracy anew")
    verify.add_argument("key", nargs="?", help=f"one of {', '.join(WEIGHTS)}; all if left out")
    verify.add_argument("--folder", type=Path, help="weights you trained, in place of the shipped")
    verify.add_argument(
        "--data",
        type=Path,
        action="append",
        default=[],
        help="folder or archive of an image set that does not ship; once for each set",
    )
    keep = commands.add_parser("snapshots", help="keep some layers of a training's snapshots")
    keep.add_argument("key", help="whose weights lie in OUTPUT already")
    keep.add_argument("folder", type=Path, help="where KEY-epoch-NNN.safetensors lie")
    keep.add_argument("--output", type=Path, default=WEIGHTS.folder, help="folder to write to")
    options = parser.parse_args(arguments)
    if options.command == "snapshots":
        try:
            print(write_snapshots(options.key, options.folder, options.output).file)
        except (ValueError, OSError) as error:
            parser.error(str(error))
        return 0

    keys = [options.key] if options.key else list(Records(options.folder or WEIGHTS.folder))
    if not keys:
        parser.error(f"--folder {options.folder}: holds no record of a network, KEY.json")
    status = 0
    for key in keys:
        try:
            record = find_record(key, options.folder)
            model = load_weights(key, options.folder)
            said, holds = _verify(record, model, options.data)
        except LayoutError as error:
            if options.key:
                print(f"{parser.prog}: {error}", file=sys.stderr)
                status = 2
            else:
                print(f"{key}: {NOT_MEASURED}: {error}", flush=True)
        except (ValueError, OSError) as error:
            print(f"{parser.prog}: {error}", file=sys.stderr)
            status = 2
        except KeyboardInterrupt:
            print(f"\n{key}: stopped", file=sys.stderr)
            return 130
        else:
            print(f"{key}: {said}", flush=True)
            status = max(status, 0 if holds else 1)
    return status


def _verify(record: WeightFile, model: nn.Module, data: Sequence[Path]) -> tuple[str, bool]:
    """What there is to say of weights whose file is right, and whether nothing is wrong.

    Raises ``LayoutError`` if none of ``data`` is the record's image set.
    """
    if record.accuracy is None:
        return f"{NOT_MEASURED}: the record has none, {record.dataset!r} does not ship", True
    try:
        test_set = _test_images(record.dataset, data)
    except FileNotFoundError as error:
        if record.dataset in DATASETS or data:
            raise
        return f"{NOT_MEASURED}: name the images with --data: {error}", True
    _check_categories(record, test_set)
    if len(test_set) != record.tested_on:
        found = f"recorded on {record.tested_on} test images, found {len(test_set)}"
        return f"{found}: DIFFERS", False

    scores, labels = score_images(model, record, test_set), torch.from_numpy(test_set.labels)
    said, holds = [], True
    for k, share, how in ((1, record.accuracy, "right"), (5, record.top5, "right in top five")):
        if share is None:
            continue
        right = int((rank_labels(scores, labels) < k).sum())
        either_way = int(find_undecided(scores, labels, k).sum())
        same = abs(right - round(share * len(labels))) <= either_way <= len(labels) // 100
        said.append(
            f"{right / len(labels):.2%} of {len(labels)} test images {how}, "
            f"recorded {share:.2%}: {'ok' if same else 'DIFFERS'} ({either_way} too close to call)"
        )
        holds = holds and same
    return "; ".join(said), holds


def _test_images(dataset: str, data: Sequence[Path]) -> ImageSet:
    """The test images of a set: those that ship, or from the first of ``data`` that holds the set.

    Without ``data`` they are looked for where downloads are kept.
    """
    if dataset in DATASETS or not data:
        return load_dataset(dataset, "test")
    for path in data:
        try:
            return load_dataset(dataset, "test", path)
        except LayoutError as error:
            other = error
    raise other


def _check_categories(record: WeightFile, test_set: ImageSet) -> None:
    """Raise ``ValueError`` where a label means something else than what the network learnt."""
    if len(record.categories) != len(test_set.categories):
        raise ValueError(
            f"{record.file}: learnt {len(record.categories)} categories, "
            f"the test images have {len(test_set.categories)}"
        )
    for label, (learnt, found) in enumerate(
        zip(record.categories, test_set.categories, strict=True)
    ):
        if learnt != found:
            raise ValueError(
                f"{record.file}: label {label}: learnt as {learnt!r}, "
                f"in the test images it is {found!r}"
            )


if __name__ == "__main__":
    sys.exit(main())
