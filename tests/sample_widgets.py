"""One small example of every widget, for tests that hold for all of them."""

import importlib
from collections.abc import Callable
from functools import partial

import anywidget

from cnnlib.widgets.aliasing import Aliasing
from cnnlib.widgets.convolution_explorer import ConvolutionExplorer
from cnnlib.widgets.switches import Switches


def made_in(tests: str, maker: str) -> anywidget.AnyWidget:
    """The example that a widget's own tests make."""
    return getattr(importlib.import_module(f"tests.{tests}"), maker)()


SAMPLES: dict[str, Callable[[], anywidget.AnyWidget]] = {
    "aliasing": partial(Aliasing, period=5, twin=True, place=3),
    "ask_imagenet": partial(made_in, "test_widgets_ask_imagenet", "make"),
    "ask_units": partial(made_in, "test_widgets_ask_units", "make"),
    "augmentation": partial(made_in, "test_widgets_augmentation", "make"),
    "backward": partial(made_in, "test_widgets_backward", "make"),
    "checkerboard": partial(made_in, "test_widgets_checkerboard", "make"),
    "code_exercise": partial(made_in, "test_widgets_code_exercise", "make"),
    # Among stuffed zeros with a stride of 2, all of its controls can be moved.
    "convolution_explorer": partial(
        ConvolutionExplorer, preset="padding_strides_transposed", view="stuffed"
    ),
    "draw_digit": partial(made_in, "test_widgets_draw_digit", "make"),
    "equivariance": partial(made_in, "test_widgets_equivariance", "make"),
    "feature_maps": partial(made_in, "test_widgets_feature_maps", "make"),
    "filter_history": partial(made_in, "test_widgets_filter_history", "make"),
    "fool_it": partial(made_in, "test_widgets_fool_it", "make"),
    "gradient_descent": partial(made_in, "test_widgets_gradient_descent", "make"),
    "gridding": partial(made_in, "test_widgets_gridding", "make"),
    "groups": partial(made_in, "test_widgets_groups", "make"),
    "leaderboard": partial(made_in, "test_widgets_leaderboard", "make"),
    "matrix_view": partial(made_in, "test_widgets_matrix_view", "make"),
    "memory_bill": partial(made_in, "test_widgets_memory_bill", "make"),
    "network_builder": partial(made_in, "test_widgets_network_builder", "make"),
    "network_diagram": partial(made_in, "test_widgets_network_diagram", "make"),
    "new_head": partial(made_in, "test_widgets_new_head", "make"),
    "normalisation": partial(made_in, "test_widgets_normalisation", "make"),
    "occlusion": partial(made_in, "test_widgets_occlusion", "make"),
    "quiz": partial(made_in, "test_widgets_quiz", "every_kind"),
    "receptive_field_explorer": partial(made_in, "test_widgets_receptive_field_explorer", "make"),
    "signal_gradient": partial(made_in, "test_widgets_signal_gradient", "make"),
    "switches": Switches,
    "train_lenet": partial(made_in, "test_widgets_train_lenet", "make"),
    "trained_units": partial(made_in, "test_widgets_trained_units", "make"),
    "two_networks": partial(made_in, "test_widgets_two_networks", "make"),
    "window_fit": partial(made_in, "test_widgets_window_fit", "make"),
}

# Entries of a widget's `fixed` whose texts are data, the same in all languages: names of layers,
# classes, families.
DATA: dict[str, tuple[str, ...]] = {
    "ask_imagenet": ("network", "photographs", "categories"),
    "ask_units": ("networks", "photographs", "lists"),
    "augmentation": ("pictures",),
    "code_exercise": ("record",),
    "draw_digit": ("networks",),
    "equivariance": ("pictures",),
    "feature_maps": ("titles",),
    "filter_history": ("network",),
    "fool_it": ("network", "photographs", "categories"),
    "gradient_descent": ("title",),
    "leaderboard": ("columns", "entries", "families"),
    "memory_bill": ("networks",),
    "network_diagram": ("sheets", "sources"),
    "new_head": ("photographs", "examples", "known"),
    "occlusion": ("photographs", "layer"),
    "quiz": ("questions",),
    "receptive_field_explorer": ("rows", "image_alt"),
    "train_lenet": ("networks", "optimisers", "presets"),
    "trained_units": ("network", "layers", "titles", "searched"),
    "two_networks": ("networks", "lists", "photographs"),
}
