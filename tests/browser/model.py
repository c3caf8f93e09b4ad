"""The front end's model of the page's first widget: what was chosen, and choosing for it; and when
what was chosen has been drawn."""

from playwright.sync_api import Page


def chosen(page: Page, *names: str) -> dict:
    """These traits as the page has them now."""
    return page.evaluate(
        """(names) => { const m = document.querySelector("[data-cnn-widget]").cnnModel;
        return Object.fromEntries(names.map((name) => [name, m.get(name)])); }""",
        names,
    )


def choose(page: Page, **values) -> None:
    """Set these traits, one after the other."""
    page.evaluate(
        """(values) => { const m = document.querySelector("[data-cnn-widget]").cnnModel;
        for (const [name, value] of Object.entries(values)) m.set(name, value); }""",
        values,
    )


def settle(page: Page) -> None:
    """Wait until what was asked for has been drawn."""
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
