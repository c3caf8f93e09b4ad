"""Simonyan & Zisserman 2015, Tables 1 and 2; parameters as torchvision's vgg*."""

from tests.facts import Facts

SOURCE = (
    "Table 2 (133, 133, 134, 138, 144 million); torchvision; fields: Araujo et al. 2019 for VGG-16"
)


def facts(parameters: int, macs: int, receptive_field: int) -> Facts:
    stages = {
        "features.pool1": (1, 64, 112, 112),
        "features.pool2": (1, 128, 56, 56),
        "features.pool3": (1, 256, 28, 28),
        "features.pool4": (1, 512, 14, 14),
        "features.pool5": (1, 512, 7, 7),
        "fc6": (1, 4096),
        "fc8": (1, 1000),
    }
    return Facts(
        (1, 3, 224, 224), parameters, macs, SOURCE, stages, receptive_field, "features.pool5"
    )


FACTS = {
    "vgg11": facts(132_863_336, 7_609_090_048, 150),
    "vgg13": facts(133_047_848, 11_308_466_176, 156),
    "vgg16": facts(138_357_544, 15_470_264_320, 212),
    # C by hand: D less three layers of 8/9 of their weights, 256² + 2·512², times 8.
    "vgg16_c": facts(138_357_544 - 8 * (256**2 + 2 * 512**2), 11_770_888_192, 156),
    "vgg19": facts(143_667_240, 19_632_062_464, 268),
}
