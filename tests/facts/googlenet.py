"""Szegedy et al. 2015, Table 1."""

from tests.facts import Facts

FACTS = {
    # Table 1's column of parameters adds up to 6.8 million, its operations to 1.5 billion.
    # 6,998,552 is Caffe's bvlc_googlenet without its auxiliary heads.
    "googlenet": Facts(
        (1, 3, 224, 224),
        6_998_552,
        1_582_671_872,
        "Caffe's bvlc_googlenet; multiply-adds by a second count (flop counter)",
        {
            "stem": (1, 192, 28, 28),
            "inception3a": (1, 256, 28, 28),
            "inception3b": (1, 480, 28, 28),
            "inception4a": (1, 512, 14, 14),
            "inception4e": (1, 832, 14, 14),
            "inception5b": (1, 1024, 7, 7),
            "fc": (1, 1000),
        },
        715,
        "inception5b",
    ),
}
