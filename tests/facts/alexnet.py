"""Krizhevsky et al. 2012, Fig. 2 and its caption; Krizhevsky 2014."""

from tests.facts import Facts

FACTS = {
    # 96·3·121+96 + 256·48·25+256 + 384·256·9+384 + 384·192·9+384 + 256·192·9+256
    # + 9216·4096+4096 + 4096²+4096 + 4096·1000+1000; the paper says "60 million".
    "alexnet": Facts(
        input_shape=(1, 3, 227, 227),
        parameters=60_965_224,
        # 55²·96·363 + 27²·256·1200 + 13²·(384·2304 + 384·1728 + 256·1728)
        # + 9216·4096 + 4096² + 4096000
        macs=724_406_816,
        source="Caffe's reference AlexNet; the sum of the layers by hand",
        # The neuron counts of Fig. 2's caption: 186,624 64,896 64,896 43,264 4096 4096 1000; its
        # 253,440 for the first layer is a misprint of 290,400 = 55·55·96.
        stages={
            "conv1": (1, 96, 55, 55),
            "conv2": (1, 256, 27, 27),
            "conv3": (1, 384, 13, 13),
            "conv4": (1, 384, 13, 13),
            "conv5": (1, 256, 13, 13),
            "pool5": (1, 256, 6, 6),
            "fc6": (1, 4096),
            "fc8": (1, 1000),
        },
        receptive_field=195,  # Araujo et al. 2019
        field_at="pool5",
    ),
    "alexnet_one_column": Facts(
        input_shape=(1, 3, 224, 224),
        parameters=61_100_840,
        macs=714_188_480,
        source="torchvision's alexnet: 61,100,840 parameters, 0.71 GFLOPS",
        stages={"conv1": (1, 64, 55, 55), "pool5": (1, 256, 6, 6)},
        receptive_field=195,
        field_at="pool5",
    ),
}
