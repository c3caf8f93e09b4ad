// The reader's own network: layers put together, with all that follows from them at once.

import { button, dropdown, field } from "./kit/controls.js";
import { copy, element, same, setAttribute, svgElement, write } from "./kit/dom.js";
import { teach } from "./kit/teach.js";
import { writeBytes } from "./memory_bill_sums.js";
import { writeCode } from "./network_builder_code.js";
import { move, remove } from "./network_builder_edits.js";
import { layerEditor } from "./network_builder_editor.js";
import { layerList } from "./network_builder_list.js";
import { MOST_BATCH, MOST_INPUT, settled } from "./network_builder_plan.js";
import { build, keptBytes, seenFrom, times } from "./network_builder_sums.js";
import { fieldSizes, seenInWords, titleOf, whole } from "./network_builder_words.js";

const NAMES = ["plan", "input", "batch", "selected"];
const SIDE = 200; // of the drawing of the picture

export default teach({ stem: "network_builder", names: NAMES, settled, view });

function view({ say, fixed: { presets }, controls, choose, now }) {
  const preset = presetMenu(say, presets, { choose, now });
  const input = inputFields(say, { choose, now });
  controls.own("input", say("input"), input);
  const batch = controls.slider("batch", { label: say("batch"), min: 1, max: MOST_BATCH });
  const editor = layerEditor(say, { choose, now });
  const list = layerList(say, {
    now, onPick: (selected) => choose({ selected }),
    onMove: (by) => editor.act((state) => move(state, by)), onRemove: () => editor.act(remove),
  });
  controls.own("plan", say("plan"), { node: editor.node });
  controls.own("selected", say("selected"), { node: list.node });
  const totals = totalsOf(say);
  const sight = sightOf(say);
  const code = codeBox(say);
  let [built, kept] = [null, null];

  return {
    node: element("div", { class: "nb-all" },
      element("div", { class: "cnn-row nb-top" }, preset.node, input.node, batch.node),
      totals.node,
      element("div", { class: "nb-columns" },
        element("div", { class: "nb-layers" }, list.node,
          element("p", { class: "cnn-help" }, say("list.help"))),
        editor.node, sight.node),
      code.node),
    prepare({ plan, input: shape, batch: images }) {
      built = build(plan, shape);
      kept = keptBytes(built.rows, shape, images);
    },
    draw(state) {
      preset.show(state);
      totals.show(state, built, kept);
      list.show(state, built, kept);
      editor.show(state);
      sight.show(state, built);
      code.show(state, built);
    },
    words(state) {
      const entry = built.entries.find(({ path }) => same(path, state.selected));
      const layer = titleOf(say, state.plan, state.selected);
      const sums = Object.fromEntries(["parameters", "macs"].map((name) => [name, total(built, name)]));
      const here = entry.fault ? say("spoken.fault", { layer, why: say(...entry.fault) })
        : entry.shape ? say("spoken", { layer, shape: times(entry.shape) })
          : say("spoken.waits", { layer });
      return `${here} ${say("spoken.all", sums)}`;
    },
  };
}

const total = ({ rows }, name) => whole(rows.reduce((sum, row) => sum + row[name], 0));

// ---- What to start from, and the picture's shape.

function presetMenu(say, presets, { choose, now }) {
  const keys = Object.keys(presets);
  const menu = dropdown({
    label: say("preset"), value: null,
    options: [[null, say("preset.own")], ...keys.map((key) => [key, say(`preset.${key}`)]),
      ["empty", say("preset.empty")]],
    onChange(key) {
      const { input, plan } = presets[key] ?? { input: now().input, plan: [] };
      choose({ plan, input, selected: plan.length ? [0] : [] });
    },
  });
  return {
    node: menu.node,
    show({ plan, input }) {
      const key = keys.find((one) => same([presets[one].plan, presets[one].input], [plan, input]));
      menu.set(key ?? (plan.length ? null : "empty"));
    },
  };
}

function inputFields(say, { choose, now }) {
  const fields = ["channels", "height", "width"].map((name, axis) => field({
    label: say(`input.${name}`), value: now().input[axis], size: 4,
    wrong: say("expected.number", { least: 1, most: MOST_INPUT[axis] }),
    parse(text) {
      const number = Number(text.trim());
      const fits = Number.isInteger(number) && number >= 1 && number <= MOST_INPUT[axis];
      return fits ? number : undefined;
    },
    onChange: (value) => choose({ input: now().input.map((size, place) => (place === axis ? value : size)) }),
  }));
  return {
    node: element("fieldset", { class: "nb-input" }, element("legend", {}, say("input")),
      ...fields.map(({ node }) => node)),
    set(shape) { fields.forEach((one, axis) => one.set(shape[axis])); },
  };
}

// ---- The sums of all layers.

function totalsOf(say) {
  const names = ["parameters", "macs", "memory", "shape", "field"];
  const parts = Object.fromEntries(names.map((name) => [name, {
    name: element("dt"), value: element("dd", { class: `nb-all-${name}` }),
  }]));
  const faults = element("p", { class: "nb-fault nb-faults" });
  const node = element("div", { class: "nb-totals" },
    element("dl", {}, ...names.map((name) => element("div", {}, parts[name].name, parts[name].value))),
    faults, element("details", { class: "nb-counted" }, element("summary", {}, say("all.kept")),
      element("p", {}, say("all.counted"))));
  return {
    node,
    show({ batch, plan }, built, kept) {
      const last = built.entries.findLast(({ path, shape }) => path.length < 2 && shape);
      const values = {
        parameters: total(built, "parameters"), macs: total(built, "macs"),
        memory: writeBytes(say, kept.reduce((sum, bytes) => sum + bytes, 0)),
        shape: times(last.shape), field: times(fieldSizes(built.rows[last.row])),
      };
      for (const name of names) {
        write(parts[name].name, say(`all.${name}`, { count: batch }));
        write(parts[name].value, values[name]);
      }
      const count = built.entries.filter(({ fault }) => fault).length;
      faults.hidden = count === 0 || plan.length === 0;
      write(faults, count ? say("all.faults", { count }) : "");
    },
  };
}

// ---- The picture, and in it what the middle unit of the chosen layer sees.

function sightOf(say) {
  const [picture, whole_, seen] = ["nb-picture", "nb-whole", "nb-seen"].map((name) =>
    svgElement("rect", { class: name }));
  const drawing = svgElement("svg", {
    class: "nb-sight", role: "img", "aria-label": say("sees.picture"), width: SIDE, height: SIDE,
  }, picture, seen, whole_);
  const told = element("p", { class: "nb-sees" });
  let drawn = null;

  function place(rect, ranges) {
    rect.style.display = ranges ? "" : "none";
    if (!ranges) return;
    const [[top, bottom], [left, right]] = ranges;
    for (const [name, value] of Object.entries({
      x: left, y: top, width: right - left + 1, height: bottom - top + 1,
    })) setAttribute(rect, name, value);
  }

  return {
    node: element("figure", { class: "nb-figure" }, drawing, element("figcaption", {}, told)),
    show({ plan, input, selected }, built) {
      if (same([plan, input, selected], drawn)) return;
      drawn = [plan, input, selected];
      const entry = built.entries.find(({ path }) => same(path, selected));
      const found = entry.shape ? seenFrom(built.rows, entry.row, input) : null;
      const [height, width] = input.slice(1);
      // As far beyond the picture as it is long, and no further.
      const box = [height, width].map((size, axis) => {
        const [first, last] = found?.whole[axis] ?? [0, 0];
        const beyond = Math.min(size, Math.max(0, -first, last - size + 1)) + 0.02 * size;
        return [-beyond, size + 2 * beyond];
      });
      const [[y, tall], [x, wide]] = box;
      setAttribute(drawing, "viewBox", `${x} ${y} ${wide} ${tall}`);
      place(picture, [[0, height - 1], [0, width - 1]]);
      place(whole_, found?.whole);
      place(seen, found?.seen);
      write(told, entry.shape ? seenInWords(say, built.rows[entry.row], found, input)
        : say("sees.unknown"));
    },
  };
}

// ---- The module's text.

function codeBox(say) {
  const text = element("code", { translate: "no" });
  const told = element("span", { role: "status", class: "nb-told" });
  const waits = element("p", {}, say("code.waits"));
  const put = button(say("code.copy"), async () => {
    if (put.getAttribute("aria-disabled")) return;
    const done = await copy(text.textContent, node);
    write(told, say(done ? "code.copied" : "code.select"));
  });
  const box = element("pre", { class: "nb-text", tabindex: 0, role: "group", "aria-label": say("code") }, text);
  const node = element("div", { class: "nb-code" },
    element("p", { class: "nb-heading" }, say("code")), element("p", {}, put, " ", told), waits, box);
  return {
    node,
    show({ plan }, built) {
      const works = !built.fault;
      waits.hidden = works;
      box.hidden = !works;
      setAttribute(put, "aria-disabled", works ? null : "true");
      const next = works ? writeCode(plan, built) : "";
      if (next !== text.textContent) write(told, "");
      write(text, next);
    },
  };
}
