"""VGG: Simonyan & Zisserman 2015, "Very deep convolutional networks for large-scale image
recognition".

The one new idea: only 3x3 convolutions, many of them. Two see what a 5x5 sees, three what a 7x7
sees, with fewer weights and more non-linearities between (section 2.3).

Configurations A to E are Table 1's columns: A is VGG-11, B VGG-13, D VGG-16, E VGG-19. C is D with
three 3x3 layers shrunk to 1x1; A-LRN is A with response normalisation behind the first layer.

Where we differ from the paper:

- ``batch_norm`` puts batch normalisation behind each convolution. The paper is older than it.
- Initialisation is He et al. 2015's. The paper started its deep nets from the trained shallow one,
  and found later that Glorot's initialisation (2010) makes that unnecessary (section 3.1).
- The pooling before the classifier is adaptive: the paper's 7x7 at 224x224, and other sizes work.
"""

from torch import Tensor, nn

# Table 1. A number is a 3x3 convolution with so many channels, "1x1" makes the number behind it a
# 1x1 convolution (and so for other odd sizes, such as the 7x7 of section 2.3), "M" is a 2x2 max
# pooling, "L" response normalisation.
CONFIGURATIONS = {
    "A": "64 M 128 M 256 256 M 512 512 M 512 512 M",
    "A-LRN": "64 L M 128 M 256 256 M 512 512 M 512 512 M",
    "B": "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    "C": "64 64 M 128 128 M 256 256 1x1 256 M 512 512 1x1 512 M 512 512 1x1 512 M",
    "D": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    "E": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}
SIZES = {f"{size}x{size}": size for size in (1, 3, 5, 7, 9, 11)}


class VGG(nn.Module):
    """``configuration`` is a letter of Table 1, or a line written like those above.

    Input (N, 3, H, W), 224x224 in the paper; returns logits (N, num_classes). ``hidden`` is the
    width of fc6 and fc7, which read a ``grid`` x ``grid`` map. Layers are named as the paper's
    tables name them: conv3_2 is the second convolution of the third block.

    Raises ``ValueError`` for a configuration that is neither a letter nor such a line.
    """

    def __init__(
        self,
        configuration: str,
        num_classes: int = 1000,
        *,
        batch_norm: bool = False,
        hidden: int = 4096,
        grid: int = 7,
    ) -> None:
        super().__init__()
        words = CONFIGURATIONS.get(configuration, configuration).split()
        if not words or not all(word in ("M", "L", *SIZES) or word.isdigit() for word in words):
            raise ValueError(
                f"configuration={configuration!r}: expected one of {', '.join(CONFIGURATIONS)}, "
                f"or numbers, M, L and {', '.join(SIZES)}"
            )
        self.features = nn.Sequential()
        channels, block, number, kernel_size = 3, 1, 1, 3
        for word in words:
            if word == "M":
                self.features.add_module(f"pool{block}", nn.MaxPool2d(kernel_size=2))
                block, number = block + 1, 1
            elif word == "L":
                norm = nn.LocalResponseNorm(size=5, alpha=5e-4, beta=0.75, k=2.0)
                self.features.add_module(f"norm{block}", norm)
            elif word in SIZES:
                kernel_size = SIZES[word]
            else:
                place = f"{block}_{number}"
                conv = nn.Conv2d(channels, int(word), kernel_size, padding=kernel_size // 2)
                self.features.add_module(f"conv{place}", conv)
                if batch_norm:
                    self.features.add_module(f"bn{place}", nn.BatchNorm2d(int(word)))
                self.features.add_module(f"relu{place}", nn.ReLU())
                channels, number, kernel_size = int(word), number + 1, 3
        self.grid = nn.AdaptiveAvgPool2d(grid)
        self.flatten = nn.Flatten()
        self.fc6 = nn.Linear(channels * grid * grid, hidden)
        self.relu6 = nn.ReLU()
        self.drop6 = nn.Dropout(0.5)
        self.fc7 = nn.Linear(hidden, hidden)
        self.relu7 = nn.ReLU()
        self.drop7 = nn.Dropout(0.5)
        self.fc8 = nn.Linear(hidden, num_classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x)  # (N, 512, 7, 7)
        x = self.flatten(self.grid(x))  # (N, 25088)
        x = self.drop6(self.relu6(self.fc6(x)))  # (N, 4096)
        x = self.drop7(self.relu7(self.fc7(x)))
        return self.fc8(x)  # (N, num_classes)


def vgg11(num_classes: int = 1000, **options) -> VGG:
    return VGG("A", num_classes, **options)


def vgg13(num_classes: int = 1000, **options) -> VGG:
    return VGG("B", num_classes, **options)


def vgg16(num_classes: int = 1000, **options) -> VGG:
    return VGG("D", num_classes, **options)


def vgg16_c(num_classes: int = 1000, **options) -> VGG:
    """Configuration C: sixteen layers, three of them 1x1."""
    return VGG("C", num_classes, **options)


def vgg19(num_classes: int = 1000, **options) -> VGG:
    return VGG("E", num_classes, **options)


def small_vgg11(num_classes: int = 40, **options) -> VGG:
    """VGG-11 for 64x64: a third to a half of the kernels, a 2x2 grid, 256 hidden units."""
    configuration = "24 M 48 M 96 96 M 192 192 M 192 192 M"
    return VGG(configuration, num_classes, hidden=256, grid=2, **options)
