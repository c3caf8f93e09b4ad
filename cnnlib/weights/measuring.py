"""How often a network is right, counted so that luck does not help."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from cnnlib.data import ImageSet
from cnnlib.geometry import whole_number
from cnnlib.weights.preprocessing import Preprocessing
from cnnlib.weights.records import WeightFile, preprocess

# So many input pixels at once: enough to be fast, few enough for every network's memory.
PIXELS_AT_ONCE = 500_000
# What float32 sums may lose when another machine adds in another order, as a share of an image's
# largest score. Against float64 LeNet-5 and SqueezeNet lose less than 1e-6; deeper networks add up
# more, and other ways to convolve round worse.
ROUNDING = 1e-4


@torch.no_grad()
def score_images(
    model: nn.Module, which: str | WeightFile | Preprocessing, image_set: ImageSet
) -> Tensor:
    """What the network says of every image: scores (N, K), float32, on the CPU.

    The network is run in eval mode on the device it is on, and left in the mode it was in. A
    progress bar appears if it takes longer than two seconds.

    Raises ``ValueError`` for no images, and for a network with other than K categories.
    """
    if len(image_set) == 0:
        raise ValueError("image_set: expected at least one image, found none")
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    scores = []
    was_training = model.training
    model.eval()
    try:
        with tqdm(
            total=len(image_set), desc="measuring", unit="image", delay=2, leave=False, disable=None
        ) as bar:
            start, count = 0, 1  # one image first: its size decides how many fit
            while start < len(image_set):
                x = preprocess(which, image_set.images[start : start + count])
                scores.append(model(x.to(device)).float().cpu())
                start += len(x)
                bar.update(len(x))
                count = max(1, PIXELS_AT_ONCE // (x.shape[2] * x.shape[3]))
    finally:
        model.train(was_training)
    result = torch.cat(scores)
    if result.ndim != 2 or result.shape[1] != len(image_set.categories):
        raise ValueError(
            f"image_set: has {len(image_set.categories)} categories, "
            f"but the network gives scores of shape {tuple(result.shape)}"
        )
    return result


def rank_labels(scores: Tensor, labels: Tensor) -> Tensor:
    """The place, from 0, that each image's right category takes: int64, (N,).

    It is the number of larger scores plus the number of equal ones before it. So a network that
    gives every category the same score is right by chance only. A score that is not a number counts
    as larger than the right one, and as such it is itself in no place: K.

    ``scores`` is (N, K), ``labels`` (N,).
    """
    own = scores.gather(1, labels[:, None])  # (N, 1)
    larger = ~(scores <= own)  # not a number: neither smaller nor equal
    earlier = torch.arange(scores.shape[1]) < labels[:, None]
    return (larger | ((scores == own) & earlier)).sum(dim=1)


def find_undecided(scores: Tensor, labels: Tensor, k: int) -> Tensor:
    """Which images could be right or wrong among the first ``k`` on another machine: bool, (N,).

    These are the images whose right score is nearer to the k-th largest of the others than
    rounding may move it (``ROUNDING``). ``scores`` is (N, K), ``labels`` (N,).
    """
    if k >= scores.shape[1]:
        return torch.zeros(len(scores), dtype=torch.bool)
    own = scores.gather(1, labels[:, None])[:, 0]
    others = scores.scatter(1, labels[:, None], -torch.inf)
    rival = others.topk(k, dim=1).values[:, -1]
    return (own - rival).abs() <= ROUNDING * scores.abs().amax(dim=1)


def measure(
    model: nn.Module,
    which: str | WeightFile | Preprocessing,
    image_set: ImageSet,
    k: Sequence[int] = (1, 5),
) -> dict[int, float]:
    """For each ``k`` the share of images, 0 to 1, whose right category is among the first ``k``.

    The images are run through the network once, on the device it is on. Of equal scores the earlier
    category comes first (:func:`rank_labels`).

    Raises ``ValueError`` for a ``k`` below 1 and as :func:`score_images`.
    """
    k = tuple(whole_number(most, "k", 1) for most in k)
    place = rank_labels(score_images(model, which, image_set), torch.from_numpy(image_set.labels))
    return {most: int((place < most).sum()) / len(image_set) for most in k}


def measure_accuracy(
    model: nn.Module,
    which: str | WeightFile | Preprocessing,
    image_set: ImageSet,
    top: int = 1,
) -> float:
    """The share of ``image_set``, 0 to 1, whose right category is among the ``top`` highest."""
    return measure(model, which, image_set, (top,))[top]
