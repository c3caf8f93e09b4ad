"""SqueezeNet, Xception, MobileNet v1 and v2, ShuffleNet v1 and v2."""

from tests.facts import Facts

I224 = (1, 3, 224, 224)

FACTS = {
    "squeezenet1_0": Facts(
        I224,
        1_248_424,  # Table 1's total
        818_924_576,
        "Iandola et al. 2016, Table 1; torchvision: 1,248,424 and 0.82 GFLOPS",
        {
            "features.pool4": (1, 256, 27, 27),
            "features.fire9": (1, 512, 13, 13),
            "conv10": (1, 1000, 13, 13),
        },
    ),
    "squeezenet1_1": Facts(
        I224,
        1_235_496,
        349_151_936,
        "torchvision's squeezenet1_1: 1,235,496 and 0.35 GFLOPS",
        {"conv10": (1, 1000, 13, 13)},
    ),
    "xception": Facts(
        (1, 3, 299, 299),
        22_855_952,  # the paper's Table 3
        8_357_403_496,
        "Chollet 2017, Table 3: 22,855,952 parameters; timm: 8.4 GMACs",
        {"blocks.block4": (1, 728, 19, 19), "blocks.block13": (1, 1024, 10, 10)},
    ),
    "mobilenet_v1": Facts(
        I224,
        4_231_976,
        568_740_352,
        "Howard et al. 2017, Table 4: 4.2 million, 569 million multiply-adds",
        {"separable.conv7": (1, 512, 14, 14), "separable.conv14": (1, 1024, 7, 7)},
        315,  # Araujo et al. 2019
        "separable.conv14",
    ),
    "mobilenet_v2": Facts(
        I224,
        3_504_872,
        300_774_272,
        "Sandler et al. 2018, Table 4: 3.4 million, 300 million; torchvision: 3,504,872",
        {"blocks": (1, 320, 7, 7), "conv2": (1, 1280, 7, 7)},
        491,
        "conv2",
    ),
    # Table 1 prints 137 million multiply-adds for three groups; Table 2 rounds all to 140.
    "shufflenet_v1": Facts(
        I224,
        1_865_728,
        137_460_672,
        "Zhang et al. 2018, Table 1: 137 million for g = 3; parameters by a second count",
        {
            "stages.stage2": (1, 240, 28, 28),
            "stages.stage3": (1, 480, 14, 14),
            "stages.stage4": (1, 960, 7, 7),
        },
        527,
        "stages.stage4",
    ),
    # Table 5 prints 146 million; 145 without pools and normalisation.
    "shufflenet_v2": Facts(
        I224,
        2_278_604,
        144_907_992,
        "torchvision's shufflenet_v2_x1_0: 2,278,604 and 0.14 GFLOPS",
        {
            "stages.stage2": (1, 116, 28, 28),
            "stages.stage4": (1, 464, 7, 7),
            "conv5": (1, 1024, 7, 7),
        },
        527,
        "conv5",
    ),
}
