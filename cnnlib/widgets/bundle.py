"""A widget's ES modules as one text.

The modules of the front end import each other by relative paths. The published site serves them as
they are. Two other homes take no more than one text:

- A live notebook gets a widget's module as a string (anywidget's ``_esm``) and imports it from a
  blob: address, from where no relative path leads anywhere: :func:`bundle_module`.
- A page that is opened from disk may import no module at all, but may load a classic script:
  :func:`bundle_script`.

Each module becomes the body of a function of its own and returns what it exports. The functions
stand in the order in which a browser would run the modules, each once, so the text is as long as
the modules and a line or two for each. The text imports nothing. The other ways need more of their
home: data: and blob: addresses of one module inside another are refused where a page's rules
(Content-Security-Policy) name the addresses of its scripts, as VS Code's notebooks can.

Lines and columns of a module stay as they are behind its heading, and a ``sourceURL`` names the
text in the browser's tools, so an error's place can be found.

What a function scope cannot do as a module does is refused, never changed: circles of imports,
exported variables that may change (``let``, ``var``), ``import()``, ``import.meta``, ``await``
outside functions. One difference stays: a notebook runs the text once for each widget, so a
module's variables are not shared between widgets there.
"""

import os
import re
from collections.abc import Iterable
from pathlib import Path

from cnnlib.widgets.es_module import Import, Module, read_module, refuse


def bundle_module(entry: Path) -> str:
    """The module ``entry`` and all that it imports, as one ES module with the same default export.

    Raises ``ValueError`` for a source that cannot stand in a bundle (see above), naming file and
    line, and ``FileNotFoundError`` for a module that is not there.
    """
    modules = _in_order(entry.parent, [entry.name])
    names = _identifiers(modules)
    return (
        f"{_functions(modules, names)}export default {_default(modules[entry.name], names)};\n"
        f"//# sourceURL=cnnlib/widgets/{entry.stem}.bundle.js\n"
    )


def bundle_script(folder: Path, stems: Iterable[str], variable: str) -> str:
    """The modules ``stem.js`` of a folder and all that they import, as one classic script.

    It sets the global ``variable`` to an object of their default exports: stem -> export. Raises as
    :func:`bundle_module` does.
    """
    entries = {stem: f"{stem}.js" for stem in stems}
    modules = _in_order(folder, entries.values())
    names = _identifiers(modules)
    for module in modules.values():
        for mark in re.finditer(r"<!--|^\s*-->", module.body, re.MULTILINE):
            why = f"{mark[0].strip()!r} begins a comment in a classic script"
            refuse(module.name, module.body, mark.start(), why)
    exports = (f'"{stem}": {_default(modules[name], names)}' for stem, name in entries.items())
    return (
        f'globalThis.{variable} = (function () {{\n"use strict";\n{_functions(modules, names)}'
        f"return {{ {', '.join(exports)} }};\n}})();\n"
    )


def reached_from(folder: Path, stems: Iterable[str]) -> list[str]:
    """The paths, from the folder, of the modules ``stem.js`` and of all that they import."""
    return list(_in_order(folder, [f"{stem}.js" for stem in stems]))


def widgets_in(folder: Path) -> list[str]:
    """The stems of a folder's modules that have a default export."""
    modules = {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.js")}
    return sorted(
        stem for stem, text in modules.items() if "default" in read_module(stem, text).exports
    )


# --- All modules --------------------------------------------------------------------------------


def _in_order(folder: Path, entries: Iterable[str]) -> dict[str, Module]:
    """Name -> module, for the entries and all that they import; what is imported stands first.

    A module's name is its path from the folder, with slashes.
    """
    modules: dict[str, Module] = {}
    entered: list[str] = []

    def enter(name: str, wanted_by: str) -> None:
        if name in entered:
            circle = " → ".join([*entered[entered.index(name) :], name])
            raise ValueError(f"modules import each other in a circle: {circle}")
        if name in modules:
            return
        if name.startswith("../"):
            raise ValueError(f"{wanted_by} imports {name}: expected a file below {folder}")
        if not (folder / name).is_file():
            raise FileNotFoundError(f"{wanted_by} imports {name}: there is no {folder / name}")
        module = read_module(name, (folder / name).read_text(encoding="utf-8"))
        entered.append(name)
        for wanted in sorted(module.imports + module.passed_on, key=lambda wanted: wanted.line):
            source = _path(name, wanted)
            enter(source, wanted_by=f"{name}:{wanted.line}")
            _check_names(name, wanted, modules[source])
        entered.pop()
        modules[name] = _with_stars_written_out(module, modules)

    for entry in entries:
        enter(entry, wanted_by="the bundle")
    return modules


def _path(name: str, wanted: Import) -> str:
    """The name of the module that the module ``name`` wants."""
    if not wanted.source.startswith(("./", "../")):
        raise ValueError(
            f"{name}:{wanted.line} imports {wanted.source!r}: expected a path that begins with "
            "./ or ../"
        )
    return Path(os.path.normpath(Path(name).parent / wanted.source)).as_posix()


def _check_names(name: str, wanted: Import, source: Module) -> None:
    for theirs, _ in wanted.names:
        if theirs != "*" and theirs not in source.exports:
            raise ValueError(
                f"{name}:{wanted.line} imports {theirs!r} from {source.name}, which exports "
                f"{', '.join(sorted(source.exports)) or 'nothing'}"
            )


def _with_stars_written_out(module: Module, modules: dict[str, Module]) -> Module:
    """The module with the names that each ``export * from`` stands for."""
    named = module.exports
    passed_on = []
    for wanted in module.passed_on:
        if wanted.names == [("*", "*")]:
            every = modules[_path(module.name, wanted)].exports - named - {"default"}
            wanted = wanted._replace(names=[(name, name) for name in sorted(every)])
        passed_on.append(wanted)
    spelled = [name for wanted in passed_on for _, name in wanted.names]
    for name in spelled:
        if spelled.count(name) > 1:
            raise ValueError(f"{module.name} exports {name!r} twice, from two modules")
    return module._replace(passed_on=passed_on)


# --- The text -----------------------------------------------------------------------------------


def _identifiers(modules: dict[str, Module]) -> dict[str, str]:
    """Module -> the constant that holds its exports: a name that no module uses for anything."""
    words = frozenset().union(*(module.words for module in modules.values()))
    names: dict[str, str] = {}
    for module in modules:
        names[module] = _unused(re.sub(r"\W", "_", module), words.union(names.values()))
    return names


def _unused(name: str, words: Iterable[str]) -> str:
    while name in words or name[0].isdigit():
        name = f"_{name}"
    return name


def _default(module: Module, names: dict[str, str]) -> str:
    if "default" not in module.exports:
        raise ValueError(f"{module.name} has no default export: expected the widget")
    return f"{names[module.name]}.default"


def _functions(modules: dict[str, Module], names: dict[str, str]) -> str:
    return "".join(_function(module, names) for module in modules.values())


def _function(module: Module, names: dict[str, str]) -> str:
    """One module as a function that is called once, and the constant that holds what it returns."""
    taken = []
    for wanted in module.imports:
        source = names[_path(module.name, wanted)]
        some = [f"{theirs}: {ours}" for theirs, ours in wanted.names if theirs != "*"]
        taken += [f"const {ours} = {source};" for theirs, ours in wanted.names if theirs == "*"]
        taken += [f"const {{ {', '.join(some)} }} = {source};"] if some else []
    given = [f"{theirs}: {ours}" for theirs, ours in module.own.items()]
    for wanted in module.passed_on:
        source = names[_path(module.name, wanted)]
        for theirs, ours in wanted.names:
            given.append(f"{ours}: {source}" + (f".{theirs}" if theirs != "*" else ""))
    return (
        f"const {names[module.name]} = (() => {{ // {'-' * 12} {module.name}\n"
        f"{' '.join(taken)}\n{module.body}\nreturn {{ {', '.join(given)} }};\n}})();\n"
    )
