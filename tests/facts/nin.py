"""Lin, Chen & Yan 2014: the authors' released models."""

from tests.facts import Facts

FACTS = {
    # The released ImageNet model is a file of 29 MB: 7.6 million parameters in float32.
    "nin": Facts(
        (1, 3, 224, 224),
        7_595_176,
        # 54²·(96·363 + 2·96²) + 27²·(256·96·25 + 2·256²) + 13²·(384·256·9 + 2·384²)
        # + 6²·(1024·384·9 + 1024² + 1024·1000)
        54**2 * (96 * 363 + 2 * 96**2)
        + 27**2 * (256 * 96 * 25 + 2 * 256**2)
        + 13**2 * (384 * 256 * 9 + 2 * 384**2)
        + 6**2 * (1024 * 384 * 9 + 1024**2 + 1024 * 1000),
        "layer sums of the released model by hand",
        {"features.mlpconv1": (1, 96, 54, 54), "features.mlpconv4": (1, 1000, 6, 6)},
        195,
        "features.mlpconv4",
    ),
    "nin_cifar": Facts(
        (1, 3, 32, 32),
        966_986,  # "0.97 million", as the model is usually quoted
        32**2 * (192 * 75 + 192 * 160 + 160 * 96)
        + 16**2 * (96 * 25 * 192 + 2 * 192**2)
        + 8**2 * (192 * 9 * 192 + 192**2 + 192 * 10),
        "layer sums of the released model by hand",
        {"features.mlpconv3": (1, 10, 8, 8)},
        27,
        "features.mlpconv3",
    ),
}
