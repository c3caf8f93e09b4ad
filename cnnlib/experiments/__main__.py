"""``python -m cnnlib.experiments``: list the papers' experiments, or run them again."""

import sys
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from cnnlib.data.command_line import OneLineParser
from cnnlib.experiments import EXPERIMENTS, run_arm
from cnnlib.experiments.evidence import PARTS, Sources, gather_evidence


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 when done, 2 for a mistake, 130 when stopped with Ctrl-C."""
    parser = OneLineParser(prog="python -m cnnlib.experiments", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    listing = commands.add_parser("list", help="one line a run: NAME ARM SEED")
    listing.add_argument("name", nargs="?", help=f"one of {', '.join(EXPERIMENTS)}")
    run = commands.add_parser("run", help="train what has no log in OUTPUT yet")
    run.add_argument("name", metavar="NAME", help=f"one of {', '.join(EXPERIMENTS)}")
    run.add_argument("arm", nargs="?", metavar="ARM", help="this arm only")
    run.add_argument("seed", nargs="?", type=int, metavar="SEED", help="this seed only")
    run.add_argument("--data", type=Path, help="folder or zip of images that do not ship")
    run.add_argument("--epochs", type=int, help="for a trial: so many epochs")
    run.add_argument("--output", type=Path, default=Path("experiments"), help="folder to write to")
    evidence = commands.add_parser(
        "evidence", help="measure the ZFNet paper's figures on photographs"
    )
    evidence.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; or all")
    evidence.add_argument("--data", type=Path, help="Imagenette, a folder or an archive")
    evidence.add_argument("--tiny", type=Path, help="Tiny ImageNet, for transfer")
    evidence.add_argument("--snapshots", type=Path, help="a training's snapshots, for settling")
    evidence.add_argument("--weights", type=Path, help="folder of weights; those that ship without")
    evidence.add_argument(
        "--output", type=Path, default=Path("evidence"), help="folder to write to"
    )
    options = parser.parse_args(arguments)
    if options.command == "evidence":
        return _gather(parser, options)
    if options.name is not None and options.name not in EXPERIMENTS:
        known = ", ".join(EXPERIMENTS)
        parser.error(f"unknown experiment {options.name!r}; known: {known}")
    runs = [
        (name, arm, seed)
        for name, experiment in EXPERIMENTS.items()
        for arm in experiment.arms
        for seed in range(1, experiment.seeds + 1)
        if options.name in (None, name)
    ]
    if options.command == "list":
        for name, arm, seed in runs:
            print(name, arm, seed)
        return 0
    if options.arm is not None:
        seeds = (
            [options.seed]
            if options.seed is not None
            else [s for _, a, s in runs if a == options.arm]
        )
        runs = [(options.name, options.arm, seed) for seed in seeds or [1]]
    try:
        for name, arm, seed in runs:
            try:
                result = run_arm(
                    name, arm, seed, options.output, data=options.data, epochs=options.epochs
                )
            except FileExistsError as error:
                print(f"{error}; not run again")
                continue
            if "steps" in result.measured:
                came_out = f"steps {result.measured['steps']}"
            else:
                came_out = f"{result.accuracy:.2%} of {result.tested_on} right"
            print(f"{name} {arm} seed {seed}: {came_out}")
    except (ValueError, OSError, FloatingPointError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print("\nstopped: the same command goes on after the last epoch")
        return 130
    return 0


def _gather(parser: OneLineParser, options: Namespace) -> int:
    """Measure the parts that were asked for."""
    sources = Sources(options.data, options.tiny, options.snapshots, options.weights)
    try:
        for part in options.parts or PARTS:
            result = gather_evidence(part, sources, options.output)
            print(f"{part}: measured on {result.images} photographs")
    except (ValueError, OSError) as error:
        parser.error(str(error))
    except KeyboardInterrupt:
        print("\nstopped")
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
