"""axe-core over a page, its contrast rule over every kind of text instead of every text.

A chapter has some five thousand elements, and most of a run of axe went into measuring the contrast
of each. Texts of one kind answer alike: the same tag and classes, in the same parent, with the same
colours (of every ground behind it), size, weight and opacity, shown or not, enabled or not. Of each
kind axe's contrast rule sees the first and the last; its other rules see every element.
"""

from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Page

RUN = r"""
async ([within, contrastOnly, measured]) => {
  const known = new Set(measured);
  const kinds = new Map();
  const grounds = new Map();  // element -> what its ancestors and itself put under and over it
  const groundOf = (node) => {
    if (!node) return "";
    if (!grounds.has(node)) {
      const { backgroundColor, backgroundImage, opacity, filter, mixBlendMode } =
        getComputedStyle(node);
      const own = [backgroundColor, backgroundImage, opacity, filter, mixBlendMode].join();
      const above = groundOf(node.parentElement);
      grounds.set(node, own === "rgba(0, 0, 0, 0),none,1,none,normal" ? above : `${own};${above}`);
    }
    return grounds.get(node);
  };
  const controls = "input, select, textarea, button";
  const named = (node) => `${node.tagName}.${node.getAttribute("class") ?? ""}`;
  const excused = new Set(  // the labels of disabled controls
    [...document.querySelectorAll("[aria-labelledby]:is(:disabled, [aria-disabled=true])")]
      .flatMap((node) => node.getAttribute("aria-labelledby").split(/\s+/)));
  for (const root of document.querySelectorAll(within ?? "body")) {
    for (const node of [root, ...root.querySelectorAll("*")]) {
      const texts = [...node.childNodes].filter((child) => child.nodeType === Node.TEXT_NODE);
      const text = texts.map((child) => child.data.trim()).join("");
      if (!text && !node.matches(controls)) continue;
      const style = getComputedStyle(node);
      const kind = [
        named(node), node.parentElement && named(node.parentElement), groundOf(node),
        style.color, style.fill, style.fontSize, style.fontWeight, style.textShadow, style.position,
        text.length > 1,  // axe leaves single signs to people
        node.checkVisibility({ opacityProperty: true, visibilityProperty: true }),
        node.getClientRects().length > 0,
        node.closest(":disabled, [aria-disabled=true], [aria-hidden=true]") !== null,
        node.closest("label")?.control?.disabled ?? false,
        excused.has(node.id) || excused.has(node.parentElement?.id),
      ].join("|");
      if (known.has(kind)) continue;
      if (!kinds.has(kind)) kinds.set(kind, []);
      kinds.get(kind).push(node);
    }
  }
  if (contrastOnly && !kinds.size) return [[], []];
  const chosen = new Set([...kinds.values()].flatMap((all) => [all[0], all[all.length - 1]]));
  for (const node of chosen) node.dataset.kindOfText = "";
  try {
    axe.configure({ rules: [{ id: "color-contrast", selector: "[data-kind-of-text]" }] });
    const { violations } = await axe.run(within ? { include: [[within]] } : document, {
      preload: false, resultTypes: ["violations"],
      ...(contrastOnly && { runOnly: ["color-contrast"] }),
    });
    const faults = violations.flatMap(({ id, nodes }) => nodes.map(({ html, any, all, none }) => {
      const said = [...any, ...all, ...none].map(({ message }) => message).join("; ");
      return `${id}: ${html}: ${said}`;
    }));
    return [faults, [...kinds.keys()]];
  } finally {
    for (const node of chosen) delete node.dataset.kindOfText;
  }
}
"""


def axe_finds(
    page: Page,
    within: str | None = None,
    *,
    contrast_only: bool = False,
    measured: set[str] | None = None,
) -> list[str]:
    """What axe has to say against the page, or against the parts that match a selector.

    ``measured`` holds kinds of text that need no second measurement; it takes up the new ones.
    """
    measured = set() if measured is None else measured
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE_SCRIPT)
    faults, kinds = page.evaluate(RUN, [within, contrast_only, list(measured)])
    measured.update(kinds)
    return faults
