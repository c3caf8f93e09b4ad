"""Huang et al. 2017, Table 1."""

from tests.facts import Facts


def facts(parameters: int, macs: int, channels: tuple[int, int, int, int], field: int) -> Facts:
    return Facts(
        (1, 3, 224, 224),
        parameters,
        macs,
        "torchvision's densenet*: parameters, and 2.83, 3.36, 4.29, 7.73 GFLOPS",
        {
            f"features.block{number}": (1, count, size, size)
            for number, (count, size) in enumerate(zip(channels, (56, 28, 14, 7), strict=True), 1)
        },
        field,
        "features.block4",
    )


FACTS = {
    "densenet121": facts(7_978_856, 2_834_161_664, (256, 512, 1024, 1024), 2071),
    "densenet169": facts(14_149_480, 3_359_843_328, (256, 512, 1280, 1664), 3351),
    "densenet201": facts(20_013_928, 4_291_365_888, (256, 512, 1792, 1920), 3863),
    "densenet161": facts(28_681_000, 7_727_907_072, (384, 768, 2112, 2208), 2967),
}
