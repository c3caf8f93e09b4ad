"""The widgets that the contract holds: all that are registered, each with its sample."""

import importlib
import pkgutil
from functools import cache

import pytest

import cnnlib.widgets
from cnnlib.widgets.widget import TeachingWidget
from tests.sample_widgets import SAMPLES

for module in pkgutil.iter_modules(cnnlib.widgets.__path__):
    importlib.import_module(f"cnnlib.widgets.{module.name}")

every_widget = pytest.mark.parametrize(
    "stem",
    sorted(TeachingWidget.registry),
    scope="module",  # so that its pages are opened once for all tests of a module
)


@cache
def sample(stem: str) -> TeachingWidget:
    """A small example of a widget, that no test changes. Fails where there is none."""
    if stem not in SAMPLES:
        pytest.fail(f"tests/sample_widgets.py has no sample of {stem}", pytrace=False)
    return SAMPLES[stem]()
