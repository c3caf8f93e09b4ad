"""ResNet v2, stochastic depth, ResNeXt, SENet."""

from tests.facts import Facts

I224 = (1, 3, 224, 224)
PREACT = "as ResNet, less 7,680 parameters (1,792 in 18): the norms of stem and projections move"

FACTS = {
    "preact_resnet18": Facts(
        I224, 11_687_720, 1_814_073_344, PREACT, {"conv5_x": (1, 512, 7, 7)}, 435, "conv5_x"
    ),
    "preact_resnet50": Facts(
        I224, 25_549_352, 3_857_973_248, PREACT, {"conv5_x": (1, 2048, 7, 7)}, 483, "conv5_x"
    ),
    "preact_resnet101": Facts(
        I224, 44_541_480, 7_570_194_432, PREACT, {"conv5_x": (1, 2048, 7, 7)}, 1027, "conv5_x"
    ),
    "preact_resnet152": Facts(
        I224, 60_185_128, 11_282_415_616, PREACT, {"conv5_x": (1, 2048, 7, 7)}, 1507, "conv5_x"
    ),
    "stochastic_depth110": Facts(
        (1, 3, 32, 32),
        1_727_962,
        252_887_680,
        "He et al. 2015, Table 6: 1.7 million for ResNet-110; multiply-adds by a second count",
        {"conv2_x": (1, 16, 32, 32), "conv3_x": (1, 32, 16, 16), "conv4_x": (1, 64, 8, 8)},
    ),
    # Table 1 prints 25.0 million and 4.2 billion beside ResNet-50's 25.5 and 4.1.
    "resnext50_32x4d": Facts(
        I224,
        25_028_904,
        4_230_479_872,
        "torchvision's resnext50_32x4d: 25,028,904 and 4.23 GFLOPS",
        {"conv2_x": (1, 256, 56, 56), "conv5_x": (1, 2048, 7, 7)},
        427,
        "conv5_x",
    ),
    "resnext101_32x4d": Facts(
        I224,
        44_177_704,
        7_969_996_800,
        "timm's resnext101_32x4d: 44.18 million, 8.01 GMACs with what it counts besides",
        {"conv4_x": (1, 1024, 14, 14), "conv5_x": (1, 2048, 7, 7)},
        971,
        "conv5_x",
    ),
    # Table 2: SE-ResNet-50 3.87 GFLOPs beside ResNet-50's 3.86.
    "se_resnet50": Facts(
        I224,
        28_088_024,
        3_860_488_192,
        "timm's seresnet50: 28.09 million; Hu et al. 2018, Table 2",
        {"conv2_x": (1, 256, 56, 56), "conv5_x": (1, 2048, 7, 7)},
    ),
    "se_resnext50_32x4d": Facts(
        I224,
        27_559_896,
        4_232_994_816,
        "timm's seresnext50_32x4d: 27.56 million, 4.26 GMACs with what it counts besides",
        {"conv5_x": (1, 2048, 7, 7)},
    ),
}
