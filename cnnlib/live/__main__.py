"""python -m cnnlib.live: write the plans of the networks that ship anew."""

import argparse
import json

from cnnlib.live.plan import describe
from cnnlib.live.site import PLANS
from cnnlib.weights import WEIGHTS


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m cnnlib.live", description=__doc__)
    parser.add_argument("keys", nargs="*", help="networks; all that ship if none is named")
    keys = parser.parse_args().keys or list(WEIGHTS)
    PLANS.mkdir(exist_ok=True)
    for number, key in enumerate(keys, 1):
        text = json.dumps(describe(key), separators=(",", ":"))
        (PLANS / f"{key}.json").write_text(text + "\n", encoding="utf-8")
        print(f"{number}/{len(keys)}  {key}: {len(text)} bytes")


if __name__ == "__main__":
    main()
