"""How each network is trained: one recipe for an image set, and the named departures from it."""

from dataclasses import dataclass, replace

from cnnlib.models import INSIDE, SMALL
from cnnlib.train.augmentation import Augmentation
from cnnlib.weights import Preprocessing


@dataclass(frozen=True)
class Recipe:
    """All that decides how a network is trained.

    The learning rate rises in a straight line to ``learning_rate`` over the first ``warm_up`` of
    all steps and falls along half a cosine to 0 (one cycle). ``optimiser`` is ``"adamw"`` or
    ``"sgd"`` (with Nesterov momentum 0.9). ``rubbish_penalty`` is the constant of
    :func:`map_criterion`; ``None`` means cross-entropy, with ``label_smoothing``. A network with
    ``auxiliary_weight`` above 0 is built with its auxiliary heads (``aux=True``), whose losses
    count so much. ``clip_norm`` shortens longer gradients to that length. ``mixed_precision`` runs
    the network in bfloat16 with channels-last memory, where the machine is made for it; weights
    and sums stay float32. ``half_weights`` writes the weight file in float16 and measures it so.
    ``limit`` trains on the first images only.
    """

    preprocessing: Preprocessing
    dataset: str = "digits"
    epochs: int = 60
    batch_size: int = 64
    optimiser: str = "adamw"
    learning_rate: float = 4e-3
    weight_decay: float = 0.01
    warm_up: float = 0.2
    label_smoothing: float = 0.0
    auxiliary_weight: float = 0.0
    rubbish_penalty: float | None = None
    clip_norm: float | None = None
    augmentation: Augmentation | None = None
    mixed_precision: bool = False
    half_weights: bool = False
    seed: int = 1
    limit: int | None = None

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "limit"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}={value}: expected 1 or more")
        if self.seed < 0:
            raise ValueError(f"seed={self.seed}: expected 0 or more")
        if self.optimiser not in ("adamw", "sgd"):
            raise ValueError(f"optimiser={self.optimiser!r}: expected 'adamw' or 'sgd'")


@dataclass(frozen=True)
class Deviation:
    """Where a network is not trained as all others are: what is changed, and why."""

    changes: dict
    reason: str


# LeNet-5's input (section II.B): 28x28 digits in the middle of 32x32, paper -0.1, ink 1.175.
PAPER_DIGITS = Preprocessing(
    channel_order="grey", height=32, width=32, mean=(20.0,), std=(200.0,), fit="pad"
)
DISTORTED_DIGITS = Augmentation(degrees=10, scale=0.1, squeeze=0.1, shear=0.2, shift=2)
DIGITS = Recipe(PAPER_DIGITS, augmentation=DISTORTED_DIGITS)

# ImageNet's usual means and deviations, in pixel values.
TINY_IMAGES = Preprocessing(
    channel_order="RGB",
    height=64,
    width=64,
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
    fit="crop",
)
DISTORTED_IMAGES = Augmentation(
    degrees=8, scale=0.2, shift=6, mirror=True, brightness=0.2, contrast=0.2, saturation=0.2
)
SMALL_RECIPE = Recipe(
    TINY_IMAGES,
    dataset="tiny-imagenet-20",
    epochs=12,
    batch_size=128,
    learning_rate=2e-3,
    weight_decay=0.05,
    label_smoothing=0.1,
    clip_norm=1.0,
    augmentation=DISTORTED_IMAGES,
    mixed_precision=True,
    half_weights=True,
)

# The networks to look into. The photographs are 144x144; the network sees 128x128 of them. Weight
# decay is strong, so that weights which training does not hold up fade: at the highest rate a
# weight loses its start within 1 / (rate x decay) = 2,000 steps, of 7,400.
PHOTOGRAPHS = replace(TINY_IMAGES, height=128, width=128, resize=144)
INSIDE_RECIPE = Recipe(
    PHOTOGRAPHS,
    dataset="imagenette",
    epochs=50,
    batch_size=64,
    learning_rate=1e-3,
    weight_decay=0.5,
    label_smoothing=0.1,
    clip_norm=1.0,
    augmentation=Augmentation(
        scale=0.25, squeeze=0.1, shift=10, mirror=True, brightness=0.2, contrast=0.2, saturation=0.2
    ),
    mixed_precision=True,
    half_weights=True,
)

DEVIATIONS: dict[str, Deviation] = {
    "lenet5": Deviation(
        {"epochs": 150, "rubbish_penalty": 20.0},
        "Saturating units and a criterion that goes on pushing classes apart: still learning "
        "after 60 epochs. The loss is the paper's.",
    ),
    "small_nin": Deviation(
        {"learning_rate": 5e-4},
        "Its last layer ends in a ReLU, as the paper's does, with no normalisation before it. At "
        "the common rate all scores became equal in the second epoch and stayed so.",
    ),
    "small_googlenet": Deviation(
        {"auxiliary_weight": 0.3},
        "The paper trains it with two auxiliary heads of weight 0.3; they are not kept.",
    ),
}


def _recipe(key: str, common: Recipe) -> Recipe:
    return replace(common, **DEVIATIONS[key].changes) if key in DEVIATIONS else common


RECIPES: dict[str, Recipe] = {
    **{key: _recipe(key, DIGITS) for key in ("lenet5", "lenet_modern")},
    **{key: _recipe(key, SMALL_RECIPE) for key in SMALL},
    **{key: _recipe(key, INSIDE_RECIPE) for key in INSIDE},
}
