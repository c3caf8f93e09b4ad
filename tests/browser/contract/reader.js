// In a reader's place: what of a widget can be moved, moving it, and what is then seen and heard.
//
// root is a widget's element; its model and the names of its choices are those of its place on a page,
// or root.cnnModel and root.cnnNames.

globalThis.reader = (() => {
  const CONTROLS = "button, input, select, textarea, summary, [role=application], [role=grid], "
    + "[role=listbox], [role=button]:not(button)";
  const TABBABLE = "button, input, select, textarea, a[href], summary, [tabindex]";
  const NATIVE = "select, textarea, input:is([type=range], [type=text], [type=number])";
  const KEYS = ["ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "Enter", " "];
  const SPOKEN = ["aria-label", "aria-valuetext", "aria-roledescription", "aria-description", "title",
    "alt", "placeholder"];
  const FINGER = 24; // CSS pixels
  const EVERYTHING = { childList: true, subtree: true, characterData: true, attributes: true };

  const same = (one, other) => JSON.stringify(one) === JSON.stringify(other);
  const isShown = (node) => node.checkVisibility({ visibilityProperty: true })
    && node.getClientRects().length > 0;
  const frame = () => new Promise((done) => { requestAnimationFrame(() => done()); });
  const frames = async (count = 2) => { for (let i = 0; i < count; i += 1) await frame(); };

  // ---------------------------------------------------------------------------------- the state

  const modelOf = (root) => root.cnnModel ?? root.closest("[data-cnn-widget]").cnnModel;

  // Asks the modules of the page's widgets for the names of their choices.
  async function learnNames() {
    const host = document.querySelector('script[src$="host.js"]')?.src;
    if (!host) return;
    for (const place of document.querySelectorAll("[data-cnn-widget]")) {
      const address = new URL(`widgets/${place.dataset.cnnWidget}.js`, host);
      place.cnnNames = (await import(address)).default.names;
    }
  }

  function state(root) {
    const names = root.cnnNames ?? root.closest("[data-cnn-widget]").cnnNames;
    return structuredClone(Object.fromEntries(names.map((name) => [name, modelOf(root).get(name)])));
  }

  function put(root, chosen) {
    for (const [name, value] of Object.entries(chosen)) modelOf(root).set(name, value);
  }

  // ------------------------------------------------------------------------------- the controls

  // Of several to pick one from, the first and the last that are not picked. The line of tools that
  // every widget has is left out.
  function controls(root) {
    const found = [];
    const groups = new Map();
    for (const node of root.querySelectorAll(CONTROLS)) {
      const off = node.disabled || node.readOnly || node.getAttribute("aria-disabled") === "true";
      if (!isShown(node) || off || node.closest(".cnn-tools")) continue;
      const group = groupOf(node);
      if (group === null) found.push(node);
      else if (!groups.has(group)) groups.set(group, [node]);
      else groups.get(group).push(node);
    }
    for (const nodes of groups.values()) {
      const others = nodes.filter((node) => !isPicked(node));
      found.push(...new Set([others[0], others.at(-1)].filter(Boolean)));
    }
    return found;
  }

  function groupOf(node) {
    const role = node.getAttribute("role");
    if (node.type === "radio") return node.name || node.closest("[role=radiogroup], fieldset");
    if (["radio", "tab", "option", "gridcell"].includes(role)) {
      return node.closest("[role=radiogroup], [role=tablist], [role=listbox], [role=grid]");
    }
    return role === "button" ? node.parentNode : null; // cards of a drawing
  }

  const isPicked = (node) => node.checked
    || ["aria-checked", "aria-selected", "aria-pressed"].some((a) => node.getAttribute(a) === "true");

  function nameOf(node) {
    const label = node.getAttribute("aria-label") ?? node.labels?.[0]?.textContent ?? node.textContent;
    return `${node.getAttribute("role") ?? node.type ?? node.tagName} “${label.trim().slice(0, 60)}”`;
  }

  // ----------------------------------------------------------------------------------- to move one

  const fire = (node, ...types) => {
    for (const type of types) node.dispatchEvent(new Event(type, { bubbles: true }));
  };
  const press = (node, key, more = {}) => node.dispatchEvent(
    new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true, ...more }));

  function move(node, root) {
    node.focus();
    if (node.type === "range") {
      const step = Number(node.step) || 1;
      const up = node.valueAsNumber + step <= Number(node.max);
      node.value = node.valueAsNumber + (up ? step : -step);
      fire(node, "input", "change");
    } else if (node.matches("select")) {
      const free = [...node.options].filter((option) => !option.disabled && !option.selected);
      if (free.length) free[0].selected = true;
      fire(node, "input", "change");
    } else if (node.matches(NATIVE)) {
      const number = Number(node.value.replace("−", "-").replace(",", "."));
      node.value = Number.isFinite(number) ? String(number + 1) : "3";
      fire(node, "input", "change");
    } else if (["application", "grid", "listbox"].includes(node.getAttribute("role"))) {
      const before = state(root);
      KEYS.find((key) => { press(node, key); return !same(state(root), before); });
    } else if (node.click) node.click();
    else node.dispatchEvent(new MouseEvent("click", { bubbles: true })); // in a drawing
  }

  // Moves the control at this place of the list, or null: {name, before, changed}.
  function moveOne(root, index) {
    const node = controls(root)[index];
    if (!node) return null;
    const [before, name] = [state(root), nameOf(node)];
    move(node, root);
    const after = state(root);
    return { name, before, changed: Object.keys(after).filter((n) => !same(after[n], before[n])) };
  }

  const WALKS = [["ArrowRight", "ArrowDown", "ArrowDown"], ["ArrowLeft", "ArrowUp", "ArrowRight"]];

  // The states after arrow keys on all that takes them and after clicks on every button, one after the
  // other; where `slow`, each has been drawn before the next comes.
  async function hurry(root, slow) {
    const states = [];
    for (const node of controls(root)) {
      const keys = ["application", "grid", "listbox"].includes(node.getAttribute("role"));
      if (!node.isConnected || !isShown(node) || !(keys || node.matches("button"))) continue;
      node.focus();
      for (const walk of keys ? WALKS : [[null, null, null]]) {
        for (const key of walk) {
          if (key) press(node, key);
          else node.click();
          if (slow) await frames();
        }
        states.push([nameOf(node), state(root)]);
        await frames();
      }
    }
    return states;
  }

  const undo = (root) => root.querySelector(".cnn-tools > button").click();
  const reset = (root) => root.querySelectorAll(".cnn-tools > button")[1].click();

  function undoByKeys(root) {
    const here = document.activeElement;
    const takes = root.contains(here) && !here.matches("input[type=text], textarea");
    press(takes ? here : root.querySelector(".cnn-tools > button"), "z", { ctrlKey: true });
  }

  // What is wrong once the control at this place has been moved: undoes it in both ways.
  async function takeBack(root, { index, before, changed }) {
    const faults = { focus: !root.contains(document.activeElement), undo: [], texts: texts(root) };
    if (!changed.length) return faults;
    undo(root);
    if (!same(state(root), before)) faults.undo.push("the button");
    await frames();
    if (moveOne(root, index)?.changed.length) undoByKeys(root);
    if (!same(state(root), before)) faults.undo.push("the keys");
    put(root, before);
    await frames();
    return faults;
  }

  // ----------------------------------------------------------------------------- seen and heard

  function texts(root) {
    const found = new Set();
    for (const node of [root, ...root.querySelectorAll("*")]) {
      if (node.closest("script, style, [translate=no]")) continue;
      for (const name of SPOKEN) if (node.hasAttribute(name)) found.add(node.getAttribute(name));
      for (const child of node.childNodes) {
        if (child.nodeType === Node.TEXT_NODE) found.add(child.data);
      }
      for (const part of ["::before", "::after"]) {
        const { content } = getComputedStyle(node, part);
        if (content.startsWith('"')) found.add(content);
      }
    }
    return [...found].map((text) => text.trim()).filter(Boolean);
  }

  // What is drawn and written, apart from ids and from where the focus is.
  const drawn = (root) => root.innerHTML.replaceAll(/ data-[a-z-]+="[^"]*"/g, "")
    .replaceAll(/cnn-\w+-\d+/g, "id")
    + [...root.querySelectorAll("input, select")].map((c) => `${c.value} ${c.checked}`).join();

  // Every drawing's colours.
  function colours(root) {
    const paint = (node) => {
      const { fill, stroke, color } = getComputedStyle(node);
      return [fill, stroke, color].join();
    };
    return [...root.querySelectorAll("svg")].filter(isShown)
      .filter((svg) => svg.querySelector("text, rect, path, line, circle, polyline, polygon"))
      .map((svg) => [svg.outerHTML.slice(0, 80), [...svg.querySelectorAll("*")].map(paint).join(";")]);
  }

  async function turnTheme() {
    const { dataset } = document.documentElement;
    dataset.theme = dataset.theme === "dark" ? "light" : "dark";
    await frames();
  }

  function printedWrong() {
    return [...document.querySelectorAll(".cnn-place")].flatMap((place) => [
      ...(isShown(place.querySelector(":scope > .cnn-still")) ? [] : ["no picture"]),
      ...[...place.querySelectorAll(":scope > .cnn-widget")].filter(isShown).map(() => "a widget"),
    ]);
  }

  // ------------------------------------------------------------------- fingers, pointers and keys

  // A smaller one is no fault where a circle of a finger's size around it meets no other.
  // Controls and texts that reach beyond the widget's right edge, but for what scrolls in a box.
  function cutOff(root) {
    const scrolls = (node) => node !== root
      && (getComputedStyle(node).overflowX !== "visible" || scrolls(node.parentElement));
    const edge = root.getBoundingClientRect().right + 1;
    return [...root.querySelectorAll(`${CONTROLS}, [role=radio], [role=tab], p, label, table, svg`)]
      .filter((node) => isShown(node) && node.getBoundingClientRect().right > edge)
      .filter((node) => !scrolls(node.parentElement))
      .map((node) => `${node.tagName}.${node.getAttribute("class")}`);
  }

  function smallTargets(root) {
    const boxes = [...root.querySelectorAll(`${CONTROLS}, [role=radio], [role=tab], a[href]`)]
      .filter((node) => isShown(node) && !node.disabled)
      .map((node) => {
        const all = [node, ...(node.labels ?? [])].map((one) => one.getBoundingClientRect());
        const edge = (side, most) => most(...all.map((box) => box[side]));
        const [left, right] = [edge("left", Math.min), edge("right", Math.max)];
        const [top, bottom] = [edge("top", Math.min), edge("bottom", Math.max)];
        return { node, left, right, top, bottom, wide: right - left, high: bottom - top };
      });
    const meets = (box, x, y) => Math.hypot(Math.max(box.left - x, 0, x - box.right),
      Math.max(box.top - y, 0, y - box.bottom)) < FINGER / 2;
    return boxes.filter((box) => {
      if (Math.min(box.wide, box.high) > FINGER - 0.1) return false;
      const [x, y] = [box.left + box.wide / 2, box.top + box.high / 2];
      return boxes.some((other) => other !== box && meets(other, x, y));
    }).map(({ node, wide, high }) =>
      `${nameOf(node)} has ${wide.toFixed(1)} × ${high.toFixed(1)} pixels`);
  }

  // Where to press a control that keptControls() found: a box, or null for one that is not pressed.
  let kept = [];
  const keepControls = (root) => (kept = controls(root)).length;

  function boxOf(root, index) {
    const node = kept[index].isConnected ? kept[index] : controls(root)[index];
    if (!node || !isShown(node) || node.matches(NATIVE)) return null;
    node.scrollIntoView({ block: "center", inline: "center" });
    const { x, y, width, height } = node.getBoundingClientRect();
    const picture = ["application", "grid"].includes(node.getAttribute("role"));
    return { x, y, width, height, picture, name: nameOf(node) };
  }

  // Numbers the tab stops, a group of radio buttons as one, and stands before the first.
  function numberStops(root) {
    for (const side of ["before", "after"]) {
      const button = document.createElement("button");
      button.textContent = button.id = side;
      root[side](button);
    }
    const numbers = new Map();
    for (const node of root.querySelectorAll(TABBABLE)) {
      const seen = node.checkVisibility({ visibilityProperty: true });
      if (node.tabIndex < 0 || node.disabled || !seen) continue;
      const key = node.type === "radio" && node.name ? node.name : node;
      if (!numbers.has(key)) numbers.set(key, `${numbers.size} ${nameOf(node)}`);
      node.dataset.stop = numbers.get(key);
    }
    document.querySelector("#before").focus();
    return [...numbers.values()];
  }

  // Where the focus is: its stop, whether that can be seen, and its markup.
  function stop() {
    const node = document.activeElement;
    const around = [node, node.nextElementSibling, ...(node.labels ?? []), ...node.querySelectorAll("*")];
    const isMarked = (one) => {
      const { outlineStyle, outlineWidth } = getComputedStyle(one);
      return outlineStyle !== "none" && parseFloat(outlineWidth) > 0
        && one.checkVisibility({ opacityProperty: true });
    };
    const marked = around.filter(Boolean).some(isMarked);
    return [node.dataset.stop ?? node.id, marked, node.outerHTML.slice(0, 120)];
  }

  function clearStops(root) {
    for (const side of ["before", "after"]) document.getElementById(side).remove();
    for (const node of root.querySelectorAll("[data-stop]")) delete node.dataset.stop;
  }

  let scrolls = false; // whether the page has been left to scroll by the last key

  // What takes arrow keys gets the focus.
  function enter(part) {
    const node = part.tabIndex >= 0 ? part : part.querySelector('[tabindex="0"]') ?? part;
    node.focus();
    window.addEventListener("keydown", ({ defaultPrevented }) => { scrolls = !defaultPrevented; });
  }

  async function afterKey(part) {
    await frames();
    if (!part.isConnected) return { inside: false, scrolls, shown: "" };
    const place = [...part.querySelectorAll("*")].indexOf(document.activeElement);
    return {
      inside: part.contains(document.activeElement), scrolls,
      shown: `${place} ${drawn(part.closest(".cnn-widget"))}`,
    };
  }

  // ------------------------------------------------------------------------ drawing and announcing

  // The frames in which these states, all set in one frame, are drawn; and those for the last again.
  async function burst(root, states) {
    const spoken = root.querySelector(".cnn-spoken");
    let [seen, number, counting] = [[], 0, true];
    const watch = new MutationObserver((records) => {
      const drawn = records.map(({ target }) => target).filter((node) => !spoken.contains(node));
      if (drawn.length) seen.push(`${number}: ${[...new Set(drawn.map(kindOf))].slice(0, 5)}`);
    });
    const count = async () => { while (counting) { await frame(); number += 1; } };
    await frames(3);
    watch.observe(root, EVERYTHING);
    count();
    for (const chosen of states) {
      put(root, chosen);
      await null; // what was drawn at once is noticed now
    }
    await frames(4);
    const first = seen;
    seen = [];
    put(root, states.at(-1));
    await frames(4);
    watch.disconnect();
    counting = false;
    return { first, again: seen };
  }

  const kindOf = (node) => `${node.nodeName} ${node.getAttribute?.("class") ?? ""}`.trim();

  // Keeps what is said aloud from now on.
  function listen(root) {
    const spoken = root.querySelector(".cnn-spoken");
    root.said = [];
    new MutationObserver(() => root.said.push(spoken.textContent)).observe(spoken, EVERYTHING);
  }

  return {
    afterKey, boxOf, burst, clearStops, colours, controls, drawn, enter, frames, hurry, isShown, keepControls,
    learnNames, listen, move, moveOne, nameOf, numberStops, press, printedWrong, put, reset, same,
    cutOff, smallTargets, state, stop, takeBack, texts, turnTheme, undo, EVERYTHING,
  };
})();
