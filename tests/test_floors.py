"""Every module looks down: importing it loads nothing from a floor above, nor a heavier package."""

import ast
import json
import pkgutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

import cnnlib
from tests.conftest import ROOT


class Floor(NamedTuple):
    """What a floor may import: packages, and the floors that it looks down at."""

    packages: list[str]
    below: list[str]


_MEASURED = ["models", "layers", "geometry"]
FLOORS = {
    "geometry": Floor([], []),
    "rows": Floor([], ["geometry"]),
    "sight": Floor([], ["geometry", "rows"]),
    "calls": Floor(["torch"], ["geometry"]),
    "ranks": Floor(["torch"], []),
    "layers": Floor(["torch"], ["geometry"]),
    "models": Floor(["torch"], ["layers", "geometry"]),
    "trace": Floor(["torch"], ["geometry", "rows", "sight", "calls"]),
    "data": Floor(["torch", "numpy", "tqdm", "PIL"], _MEASURED),
    "weights": Floor(["torch", "numpy", "safetensors", "PIL"], [*_MEASURED, "data"]),
    "train": Floor(["torch", "numpy", "safetensors"], [*_MEASURED, "data", "weights"]),
    "experiments": Floor(
        ["torch", "numpy"], [*_MEASURED, "data", "weights", "train", "trace", "ranks"]
    ),
    "inside": Floor(["torch", "captum", "PIL"], ["trace", "calls", "geometry", "ranks"]),
    "layout": Floor(["matplotlib"], ["rows", "geometry"]),
    "diagrams": Floor(["matplotlib"], ["rows", "geometry", "layout"]),
    "widgets": Floor(["anywidget", "numpy", "PIL"], ["rows", "sight", "geometry", "layout"]),
    "live": Floor(["torch"], [*_MEASURED, "data", "weights", "trace", "widgets"]),
    "exercises": Floor(  # its chains run networks and look inside
        ["torch", "numpy", "tqdm", "captum", "PIL"],
        [*_MEASURED, "data", "weights", "train", "inside", "trace", "calls", "ranks"],
    ),
    "classroom": Floor(["torch", "nbgrader", "jupytext", "markdown_it", "tqdm"], ["exercises"]),
}

# The models that a model builds on: one paper changes another's network.
BUILT_ON = {
    "inception_v4": {"inception_v3"},
    "resnext": {"resnet"},
    "senet": {"resnet", "resnext"},
    "stochastic_depth": {"resnet"},
    "zfnet": {"alexnet"},
}

# For each floor prints the modules that importing its own adds to what importing `packages` has
# loaded. Each is tried in a fork, for a second floor must not find what the first has loaded.
PROBE = """
import importlib, json, os, sys
packages, floors = json.loads(sys.argv[1])
for package in packages:
    importlib.import_module(package)
before = set(sys.modules)
for floor, names in floors.items():
    if os.fork():
        os.wait()
        continue
    for name in names:
        importlib.import_module(name)
    print(json.dumps([floor, sorted(set(sys.modules) - before)]), flush=True)
    os._exit(0)
"""
# Parts of these packages that load late: they are not ours to judge.
LATE = {
    "matplotlib": ["matplotlib.pyplot"],
    "torch": ["torch._dynamo", "torch.distributed.nn", "numpy"],
    "PIL": ["PIL.Image", "PIL.JpegImagePlugin"],
}


def with_all_below(floors: dict[str, Floor], name: str) -> Floor:
    """All that a floor can reach: what the floors below it may import, down to the ground."""
    packages, reached = [], [name]
    for floor in reached:
        packages += [p for p in floors[floor].packages if p not in packages]
        reached += [below for below in floors[floor].below if below not in reached]
    return Floor(sorted(packages), reached)


class Found(NamedTuple):
    """What each floor loads; one that cannot be imported is not in it, but in ``errors``."""

    loaded: dict[str, list[str]]
    errors: str


def load(path: Path, library: str, packages: list[str], floors: list[str]) -> Found:
    """Import floors of the library in ``path``, each for itself, after ``packages``."""
    names = {}
    for floor in floors:
        names[floor] = [f"{library}.{floor}"]
        folder = path / library / floor
        if folder.is_dir():
            modules = pkgutil.iter_modules([str(folder)])
            names[floor] += [f"{library}.{floor}.{m.name}" for m in modules if m.name != "__main__"]
    first = [late for package in packages for late in [package, *LATE.get(package, [])]]
    probe = subprocess.run(
        [sys.executable, "-c", PROBE, json.dumps([first, names])],
        cwd=path,
        capture_output=True,
        text=True,
    )
    return Found(dict(map(json.loads, probe.stdout.splitlines())), probe.stderr)


@cache
def load_alike(name: str) -> Found:
    """The floors of ``cnnlib`` that may import the same packages as this one, this one with them.

    They are tried in one process, for loading torch takes longer than all else here.
    """
    packages = with_all_below(FLOORS, name).packages
    alike = [floor for floor in FLOORS if with_all_below(FLOORS, floor).packages == packages]
    if name != alike[0]:
        return load_alike(alike[0])
    return load(ROOT, "cnnlib", packages, alike)


def misplaced_imports(library: str, floors: dict[str, Floor], name: str, found: Found) -> set[str]:
    """What a floor of the library loads without being allowed to."""
    assert name in found.loaded, found.errors
    packages, reached = with_all_below(floors, name)
    allowed = {f"{library}.{floor}" for floor in reached}
    misplaced = set()
    for module in found.loaded[name]:
        top = module.partition(".")[0]
        if top == library:
            if module != library and ".".join(module.split(".")[:2]) not in allowed:
                misplaced.add(module)
        elif top not in sys.stdlib_module_names and top not in packages:
            misplaced.add(top)
    return misplaced


def models_read_by(path: Path) -> dict[str, set[str]]:
    """Each model's file -> the other models that it imports; those that import none left out."""
    found = {}
    for file in sorted(path.glob("*.py")):
        if file.stem == "__init__":
            continue
        modules = [
            node.module for node in ast.walk(ast.parse(file.read_text()))
            if isinstance(node, ast.ImportFrom) and node.module
        ]  # fmt: skip
        others = {m.split(".")[2] for m in modules if m.startswith(f"{path.parent.name}.models.")}
        if others:
            found[file.stem] = others
    return found


def test_every_module_of_the_library_stands_on_a_floor():
    assert {module.name for module in pkgutil.iter_modules(cnnlib.__path__)} == set(FLOORS)


@pytest.mark.parametrize("name", FLOORS)
def test_floor_looks_only_down(name):
    assert misplaced_imports("cnnlib", FLOORS, name, load_alike(name)) == set()


@pytest.mark.parametrize("name", ["rows", "layout", "diagrams", "widgets"])
def test_what_is_shown_needs_no_torch(name):
    assert "torch" not in with_all_below(FLOORS, name).packages


def test_a_model_imports_no_other_that_it_does_not_build_on():
    assert models_read_by(ROOT / "cnnlib" / "models") == BUILT_ON


def test_the_library_itself_imports_nothing_heavy():
    code = "import sys; before = set(sys.modules); import cnnlib; print(*set(sys.modules) - before)"
    command = [sys.executable, "-c", code]
    probe = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert probe.stdout.split() == ["cnnlib"]


def test_a_misplaced_import_and_a_missing_floor_are_found(tmp_path):
    house = tmp_path / "house"
    (house / "models").mkdir(parents=True)
    (house / "__init__.py").touch()
    (house / "geometry.py").write_text("import math, numpy\n")
    (house / "trace.py").write_text("from house import geometry\n")
    (house / "models" / "__init__.py").touch()
    (house / "models" / "one.py").write_text("import house.trace\n")
    (house / "models" / "two.py").write_text("from house.models.one import house\n")

    def found(name, **floors):
        floors = {"geometry": Floor([], []), "trace": Floor([], ["geometry"]), **floors}
        packages = with_all_below(floors, name).packages
        return misplaced_imports("house", floors, name, load(tmp_path, "house", packages, [name]))

    with_numpy = {"geometry": Floor(["numpy"], [])}
    assert found("geometry") == {"numpy"}
    assert found("geometry", **with_numpy) == set()
    assert found("trace") == {"numpy"} and found("trace", **with_numpy) == set()
    assert found("models", models=Floor(["numpy"], [])) == {"house.trace", "house.geometry"}
    assert found("models", models=Floor([], ["trace"]), **with_numpy) == set()
    with pytest.raises(AssertionError, match="No module named 'house.attic'"):
        found("attic", attic=Floor([], []))
    assert models_read_by(house / "models") == {"two": {"one"}}
