"""He et al. 2015, Table 1; receptive fields of 50, 101 and 152 from Araujo et al. 2019."""

from tests.facts import Facts

# Parameters are those of torchvision's resnet*, which strides elsewhere but has the same weights.
# Multiply-adds: Table 1 prints 1.8, 3.6, 3.8, 7.6 and 11.3 billion (its "FLOPs" are multiply-adds).
SOURCE = (
    "parameters: torchvision; multiply-adds: Table 1, rounded; "
    "fields: Araujo et al. 2019 for 50, 101, 152"
)


def facts(parameters: int, macs: int, channels: int, receptive_field: int) -> Facts:
    width = channels // 512
    stages = {
        "conv1": (1, 64, 112, 112),
        "pool1": (1, 64, 56, 56),
        "conv2_x": (1, 64 * width, 56, 56),
        "conv3_x": (1, 128 * width, 28, 28),
        "conv4_x": (1, 256 * width, 14, 14),
        "conv5_x": (1, 512 * width, 7, 7),
        "fc": (1, 1000),
    }
    return Facts((1, 3, 224, 224), parameters, macs, SOURCE, stages, receptive_field, "conv5_x")


FACTS = {
    "resnet18": facts(11_689_512, 1_814_073_344, 512, 435),
    "resnet34": facts(21_797_672, 3_663_761_408, 512, 899),
    "resnet50": facts(25_557_032, 3_857_973_248, 2048, 483),
    "resnet101": facts(44_549_160, 7_570_194_432, 2048, 1027),
    "resnet152": facts(60_192_808, 11_282_415_616, 2048, 1507),
}
