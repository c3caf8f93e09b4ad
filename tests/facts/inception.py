"""Inception v2 to v4 and Inception-ResNet v2; fields as Araujo et al. 2019 print them."""

from tests.facts import Facts

FACTS = {
    "inception_bn": Facts(
        (1, 3, 224, 224),
        11_194_984,
        2_018_851_840,
        "Ioffe & Szegedy 2015, Fig. 5 ('13.6 million' counts more); field: Araujo et al. 2019",
        {
            "stem": (1, 192, 28, 28),
            "inception.inception3a": (1, 256, 28, 28),
            "inception.inception3b": (1, 320, 28, 28),
            "inception.inception3c": (1, 576, 14, 14),
            "inception.inception4d": (1, 576, 14, 14),
            "inception.inception4e": (1, 1024, 7, 7),
            "inception.inception5b": (1, 1024, 7, 7),
        },
        699,
        "inception.inception5b",
    ),
    "inception_v3": Facts(
        (1, 3, 299, 299),
        23_834_568,
        5_713_216_096,
        "torchvision's inception_v3 without its head: 27,161,264 with it; 5.71 GFLOPS",
        {
            "stem": (1, 192, 35, 35),
            "inception5d": (1, 288, 35, 35),
            "inception6e": (1, 768, 17, 17),
            "inception7a": (1, 1280, 8, 8),
            "inception7c": (1, 2048, 8, 8),
        },
        1311,
        "inception7c",
    ),
    "inception_v4": Facts(
        (1, 3, 299, 299),
        42_679_816,
        12_253_974_624,
        "timm's inception_v4: 42.68 million, 12.28 GMACs with what it counts besides",
        {
            "features.stem": (1, 384, 35, 35),
            "features.inception_a4": (1, 384, 35, 35),
            "features.reduction_a": (1, 1024, 17, 17),
            "features.reduction_b": (1, 1536, 8, 8),
            "features.inception_c3": (1, 1536, 8, 8),
        },
        2071,
        "features.inception_c3",
    ),
    "inception_resnet_v2": Facts(
        (1, 3, 299, 299),
        55_843_464,
        13_155_794_016,
        "timm's inception_resnet_v2: 55.84 million, 13.18 GMACs with what it counts besides",
        {
            "features.mixed5b": (1, 320, 35, 35),
            "features.mixed6a": (1, 1088, 17, 17),
            "features.mixed7a": (1, 2080, 8, 8),
            "features.conv7b": (1, 1536, 8, 8),
        },
        3039,
        "features.conv7b",
    ),
}
