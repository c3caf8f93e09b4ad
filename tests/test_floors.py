"""Every module looks down: importing it loads nothing from a floor above, nor a heavier package."""

import json
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import cnnlib
from tests.conftest import ROOT

# Floor -> the packages it may import, and the floors it may look at beside itself.
FLOORS = {
    "geometry": ([], []),
    "layers": (["torch"], []),
    "models": (["torch"], ["layers"]),
    "trace": (["torch"], ["geometry"]),
    "data": (["torch", "numpy", "tqdm", "PIL"], ["models", "layers", "geometry"]),
    "weights": (
        ["torch", "numpy", "safetensors", "tqdm", "PIL"],
        ["models", "layers", "data", "geometry"],
    ),
    "train": (
        ["torch", "numpy", "safetensors", "tqdm", "PIL"],
        ["models", "layers", "data", "weights", "geometry"],
    ),
    "experiments": (
        ["torch", "numpy", "safetensors", "tqdm", "PIL"],
        ["models", "layers", "data", "weights", "train", "trace", "geometry"],
    ),
    "inside": (["torch", "captum", "PIL"], ["trace", "geometry"]),
    "layout": ([], ["geometry"]),
    "diagrams": (["torch", "matplotlib"], ["trace", "geometry", "layout"]),
    "widgets": (["anywidget", "numpy", "PIL"], ["geometry", "layout"]),
    "exercises": (["torch", "numpy"], []),
}

# Prints the modules that importing `names` adds to what importing `packages` has loaded.
PROBE = """
import importlib, json, sys
packages, names = json.loads(sys.argv[1])
for package in packages:
    importlib.import_module(package)
before = set(sys.modules)
for name in names:
    importlib.import_module(name)
print(json.dumps(sorted(set(sys.modules) - before)))
"""
# Parts of these packages that load late: they are not ours to judge.
LATE = {
    "matplotlib": ["matplotlib.pyplot"],
    "torch": ["torch._dynamo", "torch.distributed.nn", "numpy"],
    "PIL": ["PIL.Image", "PIL.JpegImagePlugin"],
}


def misplaced_imports(
    library: str, floor: str, packages: list[str], floors: list[str], path: Path
) -> set[str]:
    """What the modules of ``library.floor`` load without being allowed to."""
    folder = path / library
    names = [f"{library}.{floor}"]
    if (folder / floor).is_dir():
        names += [
            f"{library}.{floor}.{module.name}"
            for module in pkgutil.iter_modules([str(folder / floor)])
            if module.name != "__main__"
        ]
    first = [late for package in packages for late in [package, *LATE.get(package, [])]]
    probe = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps([first, names])],
        cwd=path,
        capture_output=True,
        text=True,
    )
    assert probe.returncode == 0, probe.stderr
    allowed = {f"{library}.{name}" for name in [floor, *floors]}
    misplaced = set()
    for module in json.loads(probe.stdout):
        top = module.partition(".")[0]
        if top == library:
            if module != library and ".".join(module.split(".")[:2]) not in allowed:
                misplaced.add(module)
        elif top not in sys.stdlib_module_names and top not in packages:
            misplaced.add(top)
    return misplaced


def test_every_module_of_the_library_stands_on_a_floor():
    modules = {module.name for module in pkgutil.iter_modules(cnnlib.__path__)}
    assert modules <= set(FLOORS)


@pytest.mark.parametrize("floor", FLOORS)
def test_floor_looks_only_down(floor):
    if not any((ROOT / "cnnlib").glob(f"{floor}*")):
        pytest.skip(f"cnnlib.{floor} is not built yet")
    packages, floors = FLOORS[floor]
    assert misplaced_imports("cnnlib", floor, packages, floors, ROOT) == set()


def test_the_library_itself_imports_nothing_heavy():
    probe = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps([[], ["cnnlib"]])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(probe.stdout) == ["cnnlib"]


def test_a_misplaced_import_is_found(tmp_path):
    house = tmp_path / "house"
    (house / "models").mkdir(parents=True)
    (house / "__init__.py").touch()
    (house / "geometry.py").write_text("import math, numpy\n")
    (house / "trace.py").write_text("from house import geometry\n")
    (house / "models" / "__init__.py").touch()
    (house / "models" / "one.py").write_text("import house.trace\n")

    def found(floor, packages, floors):
        return misplaced_imports("house", floor, packages, floors, tmp_path)

    assert found("geometry", [], []) == {"numpy"}
    assert found("geometry", ["numpy"], []) == set()
    assert found("models", ["numpy"], []) == {"house.trace", "house.geometry"}
    assert found("models", ["numpy"], ["trace", "geometry"]) == set()
