"""Compression of trained weights, after Han, Mao & Dally 2016, "Deep compression", sections 2 to 4.

Prune, let the weights of a layer share few values, count the bits; and train again in between, with
the network before compression as the teacher.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from cnnlib.data import ImageSet, load_gallery, load_imagenet_classes
from cnnlib.data.imagenette import CLASSES
from cnnlib.experiments.experiment import Arm, Experiment
from cnnlib.models import build_network
from cnnlib.models.squeezenet import SqueezeNet
from cnnlib.train import Augmentation, Recipe, Run, make_optimiser
from cnnlib.weights import WEIGHTS, load_weights
from cnnlib.weights.measuring import rank_labels, score_images

# --- The three steps ----------------------------------------------------------------------------


def matrices(net: nn.Module) -> list[nn.Parameter]:
    """The weights that are compressed: all parameters but biases and their like."""
    return [p for p in net.parameters() if p.dim() > 1]


@torch.no_grad()
def prune(net: nn.Module, keep: float) -> list[Tensor]:
    """Zero all but the largest share `keep` of each matrix; return what is left."""
    masks = []
    for weight in matrices(net):
        threshold = weight.abs().flatten().quantile(1 - keep)
        masks.append(weight.abs() >= threshold)
        weight *= masks[-1]
    return masks


def codebook(values: Tensor, bits: int) -> tuple[Tensor, Tensor]:
    """2^bits centres for the values, and the number of each value's centre."""
    centres = torch.linspace(values.min(), values.max(), 2**bits)
    for _ in range(20):
        codes = torch.bucketize(values, (centres[1:] + centres[:-1]) / 2)
        counts = torch.bincount(codes, minlength=len(centres))
        sums = torch.zeros_like(centres).index_add_(0, codes, values)
        centres = torch.where(counts > 0, sums / counts.clamp(min=1), centres)
    return centres, codes


@torch.no_grad()
def quantise(net: nn.Module, bits: int) -> list[Tensor]:
    """Let each matrix use 2^bits values besides 0; return its codes (0: pruned)."""
    all_codes = []
    for weight in matrices(net):
        kept = weight != 0
        centres, codes = codebook(weight[kept], bits)
        weight[kept] = centres[codes]
        codes_here = torch.zeros(weight.shape, dtype=torch.long)
        codes_here[kept] = codes + 1
        all_codes.append(codes_here)
    return all_codes


def stored_bits(codes: Tensor, bits: int) -> int:
    """Bits of a sparse layer: a gap and a code an entry, the best gap width."""
    places = codes.flatten().nonzero()[:, 0]
    gaps = places.diff(prepend=torch.tensor([-1])) - 1  # zeros in between
    costs = []
    for width in range(1, 9):
        fillers = (gaps // 2**width).sum().item()
        costs.append((len(places) + fillers) * (width + bits))
    return min(costs)


def entropy_bits(codes: Tensor) -> float:
    """What no code for the layer's symbols can be below, taken one by one."""
    shares = torch.bincount(codes.flatten()) / codes.numel()
    shares = shares[shares > 0]
    return codes.numel() * -(shares * shares.log2()).sum().item()


def kilobytes(net: nn.Module, all_codes: Sequence[Tensor], bits: int, count) -> float:
    """A compressed net's size in 1,000 bytes; `count` gives the bits of a layer's codes."""
    biases = sum(p.numel() for p in net.parameters() if p.dim() == 1)
    books = 2**bits * len(all_codes)
    bits = 32 * (biases + books) + sum(count(codes) for codes in all_codes)
    return bits / 8 / 1000


# --- SqueezeNet, trained again ------------------------------------------------------------------

KEY = "squeezenet1_1"
KEEP, BITS = 0.33, 6  # SqueezeNet paper, section 4
SIDE = 128  # of the squares that are cut out of the photographs for training
TESTED = 300


class Retraining(Run):
    """SqueezeNet 1.1 pruned, trained again, given shared values, and trained once more.

    The aim is the uncompressed network's own answers, and no label: its score of every one of the
    1,000 classes at every place of the last map, before these are cut off at 0 and averaged. The
    loss is the mean square of what is missing, over the variance of the teacher's scores. What is
    pruned stays 0. Before the last epoch the weights that are left get their shared values; in it
    all weights of one value move together, by the mean of their gradients (the sum in Han et al.,
    section 3.3, which for AdamW is the same).

    Training is on squares of 128x128 from the photographs at the size at which they are tested;
    tests are on whole ones, the first 300 held-out photographs, whose classes are ten of the 1,000.
    """

    def __init__(self, name, build, recipe, **options) -> None:
        super().__init__(name, build, recipe, **options)
        self.train_set = among_thousand(self.train_set)
        self.test_set = among_thousand(self.test_set).first(TESTED)
        device = self.processes.device
        self.labels = torch.from_numpy(self.train_set.labels).to(device)
        layout = torch.channels_last if recipe.mixed_precision else torch.contiguous_format
        self.teacher, self.model = (
            load_weights(KEY).to(device, memory_format=layout) for _ in range(2)
        )
        self.model.drop9.p = 0.0  # the teacher's answers are not noise to be averaged out
        prune(self.model, KEEP)
        self.trained = self.model
        self.crop = (SIDE, SIDE)
        self.optimiser = make_optimiser(self.model, recipe)
        self.groups: list[Tensor] | None = None

    def epoch(self, bar: tqdm) -> None:
        """One epoch; around the last, what the network then says of the gallery is kept."""
        last = len(self.log) + 1 == self.recipe.epochs
        answers = {}
        if last:
            answers["retrained"] = name_gallery(self.model)
            self.groups = quantise(self.model, BITS)
            answers["shared"] = name_gallery(self.model)
            self.optimiser = make_optimiser(self.model, self.recipe)
        super().epoch(bar)
        if last:
            answers["trained_again"] = name_gallery(self.model)
            self.log[-1]["gallery"] = answers

    def answer(self, inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """How far from the teacher, and the scores. Labels are of interest to the log only."""
        with torch.no_grad():
            wanted = score_places(self.teacher, inputs).float()
        found = score_places(self.trained, inputs).float()
        return F.mse_loss(found, wanted) / wanted.var(), found.relu().mean(dim=(2, 3))

    def edit_gradients(self) -> None:
        """What is pruned stays, and what shares a value moves together."""
        for number, weight in enumerate(matrices(self.model)):
            weight.grad *= weight != 0
            if self.groups is not None:
                weight.grad = mean_by_group(weight.grad, self.groups[number])


def score_places(network: SqueezeNet, inputs: Tensor) -> Tensor:
    """The scores of every class at every place, (N, K, h, w), before ReLU and mean."""
    return network.conv10(network.drop9(network.features(inputs)))


def among_thousand(image_set: ImageSet) -> ImageSet:
    """Imagenette with ImageNet's 1,000 classes: the same ten, by their places among them."""
    places = [list(load_imagenet_classes()).index(wnid) for wnid in CLASSES]
    names = tuple(load_imagenet_classes().values())
    return replace(image_set, labels=np.array(places)[image_set.labels], categories=names)


def mean_by_group(values: Tensor, groups: Tensor) -> Tensor:
    """Each value replaced by the mean of those of its group; those of group 0 by 0."""
    flat, groups = values.flatten(), groups.flatten()
    sums = flat.new_zeros(int(groups.max()) + 1).index_add_(0, groups, flat)
    means = sums / groups.bincount().clamp(min=1)
    means[0] = 0
    return means[groups].view_as(values)


@torch.inference_mode()
def name_gallery(network: nn.Module) -> list[int]:
    """The first class, by its place, that SqueezeNet names for each photograph of the gallery."""
    was_training = network.training
    network.eval()
    device = next(network.parameters()).device
    shape = WEIGHTS[KEY].preprocessing
    scores = [network(shape.apply([p.image]).to(device)) for p in load_gallery()]
    network.train(was_training)
    return torch.cat(scores).argmax(dim=1).tolist()


def measure_compression(run: Retraining) -> dict:
    """What the compressed network and its teacher say, and how large it is.

    ``gallery`` maps a state of the network to its first class for each photograph of the gallery:
    ``retrained`` before the values were shared, ``shared`` at once after it, ``trained_again`` at
    the end. ``right`` is how many of the held-out photographs the teacher has right, ``agree`` on
    how many of them both say the same. ``stored`` and ``entropy`` are sizes in bytes, ``values``
    the largest number of different weights, besides 0, in a layer, ``kept`` the share of weights
    that are not 0.
    """
    shape, labels = run.recipe.preprocessing, torch.from_numpy(run.test_set.labels)
    teacher, student = (score_images(n, shape, run.test_set) for n in (run.teacher, run.model))
    codes = []
    for weight in matrices(run.model):
        values, places = weight.detach().cpu().unique(return_inverse=True)
        codes.append(torch.where(weight.detach().cpu() == 0, 0, places + 1))
        codes[-1] = codes[-1].unique(return_inverse=True)[1]
    every = sum(weight.numel() for weight in matrices(run.model))
    return {
        "gallery": run.log[-1]["gallery"],
        "right": int((rank_labels(teacher, labels) < 1).sum()),
        "agree": int((teacher.argmax(dim=1) == student.argmax(dim=1)).sum()),
        "stored": round(1000 * kilobytes(run.model, codes, BITS, lambda c: stored_bits(c, BITS))),
        "entropy": round(1000 * kilobytes(run.model, codes, BITS, entropy_bits)),
        "values": max(int(c.max()) for c in codes),
        "kept": round(sum(int((c > 0).sum()) for c in codes) / every, 4),
    }


RETRAINING_RECIPE = Recipe(
    WEIGHTS[KEY].preprocessing,
    "imagenette",
    epochs=4,
    batch_size=32,
    learning_rate=1e-3,
    weight_decay=0.0,
    warm_up=0.1,
    clip_norm=100.0,
    augmentation=Augmentation(scale=0.2, squeeze=0.1, shift=49, mirror=True, contrast=0.2),
    mixed_precision=True,
    limit=2000,
)

COMPRESSION_EXPERIMENTS: dict[str, Experiment] = {
    "retraining": Experiment(
        "A third of SqueezeNet's weights and 6 bits each: what does training again bring back?",
        "Iandola et al. 2016, section 4; Han, Mao & Dally 2016, sections 2 and 3.",
        {
            "third_6_bits": Arm(
                lambda num_classes: build_network(KEY, num_classes),
                measure=measure_compression,
                run=Retraining,
            )
        },
        RETRAINING_RECIPE,
        seeds=3,
        look_every=RETRAINING_RECIPE.epochs,
    ),
}
