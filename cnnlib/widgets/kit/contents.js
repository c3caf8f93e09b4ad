// A reader's progress beside the book's contents: how many questions of each page are answered
// rightly, and a dialog to see it all, to carry it to another browser and to forget it.
//
// contents(nav, {pages, texts}): `nav` holds the links to the pages; `pages` has for each page's name
// the names of its questions, as the build has counted them; `texts` is the table of words.

import { button } from "./controls.js";
import { element, uniqueId, write } from "./dom.js";
import {
  LONGEST, exported, forgetEverything, imported, isLasting, kept, onProgress, pageOf, solved,
} from "./progress.js";
import { makeWords } from "./words.js";

export default function contents(nav, { pages, texts }) {
  const say = makeWords(texts);
  const tellings = [...nav.querySelectorAll("a[href]")]
    .map((link) => [link, pageOf(link.href)])
    .filter(([, page]) => Object.hasOwn(pages, page))
    .map(([link, page]) => mark(say, link, page, pages[page]));
  const panel = dialog(say, pages);
  nav.after(element("div", { class: "cnn-progress" }, panel.opener));
  document.body.append(panel.node);
  const update = () => {
    for (const tell of tellings) tell();
    panel.update();
  };
  onProgress(update);
  update();
}

// How many of a page's questions are right, how many are answered at all, and how many there are.
function count(page, names) {
  const places = names.map((name) => `${page}#${name}`);
  return {
    right: places.filter((place) => solved(place) > 0).length,
    answered: places.filter((place) => kept(place) !== null).length,
    total: places.length,
  };
}

// A link's mark, which is empty until one of the page's questions is answered. Returns its update.
function mark(say, link, page, names) {
  const shown = element("span", { "aria-hidden": "true" });
  const read = element("span", { class: "cnn-progress-read" });
  const node = element("span", { class: "cnn-progress-mark" }, shown, read);
  link.append(" ", node);
  return () => {
    const { right, answered, total } = count(page, names);
    const key = right === total ? "all" : "some";
    node.hidden = answered === 0;
    write(shown, answered ? say(`mark.${key}`, { right, total }) : "");
    write(read, answered ? say("mark.read", { right, total }) : "");
  };
}

function dialog(say, pages) {
  const heading = uniqueId("progress");
  const [sum, told] = [element("p"), element("p", { class: "cnn-progress-told", role: "status" })];
  const lasts = element("p");
  const file = element("input", { type: "file", accept: ".json,application/json", hidden: true, onchange: take });
  const ask = element("div", { hidden: true }, element("p", {}, say("forget.sure")),
    button(say("forget.yes"), forget), button(say("forget.no"), () => asking(false)));
  const first = button(say("forget"), () => asking(true));
  const node = element("dialog", { class: "cnn-progress-dialog", "aria-labelledby": heading },
    element("h2", { id: heading }, say("title")), sum, lasts,
    element("div", {}, button(say("export"), give), button(say("import"), () => file.click()), first),
    ask, file, told, element("p", { class: "cnn-progress-rule" }, say("rule")),
    button(say("close"), () => node.close()));
  const opener = button(say("open"), () => {
    asking(false);
    write(told, "");
    update();
    node.showModal();
  });
  return { node, opener, update };

  function update() {
    const counts = Object.entries(pages).map(([page, names]) => count(page, names));
    const total = (key) => counts.reduce((sum, one) => sum + one[key], 0);
    const [right, all] = [total("right"), total("total")];
    write(sum, total("answered") ? say("sum", { right, total: all }) : say("none", { total: all }));
    write(lasts, say(isLasting() ? "private" : "not_lasting"));
  }

  function asking(sure) {
    const here = ask.contains(document.activeElement) || document.activeElement === first;
    ask.hidden = !sure;
    if (here) (sure ? ask.querySelector("button") : first).focus();
  }

  function forget() {
    forgetEverything();
    asking(false);
    write(told, say("forgotten"));
  }

  function give() {
    const address = `data:application/json;charset=utf-8,${encodeURIComponent(exported())}`;
    element("a", { href: address, download: say("file") }).click();
    write(told, say("exported", { file: say("file") }));
  }

  async function take() {
    const [chosen] = file.files;
    if (!chosen) return;
    const text = chosen.size > 4 * LONGEST ? null : await chosen.text();
    file.value = ""; // the same file can be chosen again
    const { taken, refused } = text === null ? { refused: "long" } : imported(text);
    write(told, refused ? say(`refused.${refused}`) : say("imported", { count: taken }));
  }
}
