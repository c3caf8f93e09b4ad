"""The 1,000 classes of ImageNet's challenge, in words."""

import json
from functools import cache
from pathlib import Path

from cnnlib.data.checksum import read_checked

CLASSES_FILE = Path(__file__).with_name("imagenet_classes.json")
CLASSES_SHA256 = "4e5c8dcf336a1f2e4913d1cb8096e8eb5594f187408e4e808a7340beaeeb2c59"


@cache
def load_imagenet_classes() -> dict[str, str]:
    """WordNet identifier to name, in the order of the labels: the 1,000 classes of ILSVRC 2012.

    A name is the class's first synonym, and no two are alike. The label of a class is its place,
    from 0: ``list(load_imagenet_classes().values())[281]`` is ``"tabby"``.

    Raises ``ValueError`` for a changed file, ``FileNotFoundError`` for none.
    """
    return json.loads(read_checked(CLASSES_FILE, CLASSES_SHA256))
