"""One widget, three homes: a live notebook, the published page, and paper.

A widget is a Python class and, beside it, a plain ES module and a style sheet of the same stem.

- **Live** (JupyterLab, VS Code, Colab, Binder) it is an ordinary anywidget.
- **On the published page** there is no kernel. The widget's ``text/html`` form carries its state as
  JSON; the page's host script imports the module from the site and calls its ``render``.
- **On paper, or with scripts off,** the same form holds a still picture with a text alternative.

What a reader can change is a *choice* of several values at once. The widget's ``settled`` turns any
choice into a legal state; then the state is set once, drawn once and spoken once. README.md beside
this file builds a small widget from nothing.
"""

import html
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import anywidget
import traitlets

from cnnlib.widgets.bundle import bundle_module
from cnnlib.widgets.settling import Settled, State, plain, same
from cnnlib.widgets.words import Words, read_words

HERE = Path(__file__).parent


class ChoiceError(traitlets.TraitError, ValueError):
    """A choice that a widget cannot show; the text names the value and what was expected."""


class Choice(traitlets.Any):
    """A trait that a reader can choose. ``settled`` says what it may be."""

    def __init__(self) -> None:
        super().__init__(None)
        self.tag(sync=True, choice=True)


class TeachingWidget(anywidget.AnyWidget):
    """Base of the widgets. A subclass names its files: ``class X(TeachingWidget, stem="x")``

    ``shared=("maps",)`` names tables of words and style sheets that it has together with others.

    It has :class:`Choice` traits, a static method ``settled(changes, present, fixed)`` (see
    :mod:`cnnlib.widgets.settling`), :meth:`still_picture` and :meth:`text_alternative`.

    ``fixed``: what the page needs and nobody there changes, as JSON can hold it. ``language``: one
    of :func:`cnnlib.widgets.words.languages`. ``hidden``: names of choices whose controls are not
    shown.
    """

    stem: ClassVar[str]
    tables: ClassVar[tuple[str, ...]]  # of words, beside the kit's
    styles: ClassVar[tuple[str, ...]]  # its style sheets, in their order
    registry: ClassVar[dict[str, type["TeachingWidget"]]] = {}

    fixed = traitlets.Dict().tag(sync=True)
    texts = traitlets.Dict().tag(sync=True)
    hidden = traitlets.List(traitlets.Unicode()).tag(sync=True)

    _agreed: Mapping[str, Any] = MappingProxyType({})  # what is being set and has been settled

    def __init_subclass__(
        cls, stem: str | None = None, shared: Sequence[str] = (), **kwargs
    ) -> None:
        if stem is not None:
            cls.stem = stem
            cls.tables = (*shared, stem)
            cls.styles = ("kit/kit", *cls.tables)
            cls._esm = bundle_module(HERE / f"{stem}.js")
            cls._css = "".join(_read(f"{name}.css") for name in cls.styles)
            TeachingWidget.registry[stem] = cls
        super().__init_subclass__(**kwargs)

    def __init__(
        self,
        fixed: Mapping[str, Any],
        first: Mapping[str, Any],
        changes: Mapping[str, Any],
        *,
        language: str = "en",
        hidden: Sequence[str] = (),
        **kwargs,
    ) -> None:
        """``first`` is a legal state for ``fixed``; ``changes`` are what the caller asks for."""
        self.words = self.words_in(language)
        unknown = [name for name in hidden if name not in first]
        if unknown:
            raise ChoiceError(f"hidden={unknown}: expected names among {', '.join(first)}")
        fixed = plain(dict(fixed))
        state = self._accepted(changes, first, fixed)
        with self._agreeing(state):
            super().__init__(
                fixed=fixed, texts=self.words.table, hidden=list(hidden), **state, **kwargs
            )

    @classmethod
    def words_in(cls, language: str) -> Words:
        """The texts of this widget, for what is made of them before the widget is there."""
        return read_words(cls.tables, language)

    @staticmethod
    def settled(changes: State, present: State, fixed: State) -> Settled:
        """The nearest legal state to ``present`` with ``changes``, and why it is not just that."""
        raise NotImplementedError

    def choose(self, **changes: Any) -> None:
        """Choose several values together: either all of them hold afterwards, or none.

        Other values may follow. Raises :class:`ChoiceError`, a ``ValueError`` and a ``TraitError``,
        for a value that cannot be shown.
        """
        self._put(self._accepted(changes, self.chosen(), self.fixed))

    def chosen(self) -> dict[str, Any]:
        """The present state: a value for every choice."""
        return {name: getattr(self, name) for name in self.traits(choice=True)}

    def _accepted(self, changes: Mapping, present: Mapping, fixed: Mapping) -> dict[str, Any]:
        state, said = self.settled(changes, present, fixed)
        if said:
            raise ChoiceError(
                "; ".join(
                    f"{name}={_short(changes[name])}: {self.words(why.key, **why.values)}"
                    for name, why in said.items()
                )
            )
        return state

    @contextmanager
    def _agreeing(self, state: Mapping[str, Any]) -> Iterator[None]:
        self._agreed = state
        try:
            yield
        finally:
            self._agreed = {}

    def _put(self, state: Mapping[str, Any]) -> None:
        """Set a settled state: observers run once, after all of it; one message goes out."""
        with self.hold_sync(), self.hold_trait_notifications(), self._agreeing(state):
            for name, value in state.items():
                setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(getattr(type(self), name, None), Choice) and not (
            name in self._agreed and same(self._agreed[name], value)
        ):
            self.choose(**{name: value})
        else:
            super().__setattr__(name, value)

    def set_state(self, sync_data: dict) -> None:
        """What the front end sends. It is settled first, whole; only what differs goes back."""
        before = self.chosen()
        asked = {name: sync_data[name] for name in before if name in sync_data}
        state = self.settled(asked, before, self.fixed).state
        new = {n: v for n, v in state.items() if n in asked or not same(v, before[n])}
        with self._agreeing(new):
            super().set_state(sync_data | new)
        other = [n for n, v in new.items() if not same(v, asked.get(n, before[n]))]
        if other:
            self.send_state(other)

    def still_picture(self) -> str:
        """The widget's present state as SVG or HTML that needs no script and no network."""
        raise NotImplementedError(f"{type(self).__name__} draws no still picture")

    def text_alternative(self) -> str:
        """One or two sentences that say what the still picture shows."""
        raise NotImplementedError(f"{type(self).__name__} has no text alternative")

    def questions(self) -> list[str]:
        """Names of what a reader can solve here, no two alike; a page counts those that are solved.

        The module keeps a reader's answers under the same names (``kept`` in kit/teach.js).
        """
        return []

    def page_state(self) -> dict:
        """What the page's front end starts from, ready for JSON."""
        return {
            **self.chosen(),
            "fixed": self.fixed,
            "texts": self.texts,
            "hidden": self.hidden,
        }

    def page_form(self) -> str:
        """The widget as HTML for a page without a kernel."""
        state = json.dumps(self.page_state(), separators=(",", ":"), allow_nan=False)
        words = html.escape(self.text_alternative())
        asked = html.escape(" ".join(f"{self.stem}.{name}" for name in self.questions()))
        questions = f' data-cnn-questions="{asked}"' if asked else ""
        return (
            f'<div class="cnn-place" data-cnn-widget="{self.stem}" '
            f'data-cnn-styles="{" ".join(self.styles)}"{questions}>'
            f'<script type="application/json">{state.replace("<", chr(92) + "u003c")}</script>'
            f'<div class="cnn-still" role="img" aria-label="{words}">'
            f"{self.still_picture()}</div></div>"
        )

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.text_alternative()}>"

    def _repr_mimebundle_(self, **kwargs) -> tuple[dict, dict] | None:
        bundle = super()._repr_mimebundle_(**kwargs)
        if bundle is None:
            return None
        data, metadata = bundle
        return {**data, "text/html": self.page_form()}, metadata


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _read(name: str) -> str:
    return (HERE / name).read_text(encoding="utf-8")
