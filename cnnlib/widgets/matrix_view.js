// A small convolution as a matrix product, in its two forms, with every entry traced.

import { element, same, setAttribute, write } from "./kit/dom.js";
import { teach } from "./kit/teach.js";
import { decimal } from "./kit/words.js";
import { board, layoutOf } from "./matrix_view_boards.js";
import {
  counts, FORMS, groupings, isLegible, isReal, lights, meetings, outSize, paddingEntries, PICTURES, SETTINGS, settled, sizes,
  split, values,
} from "./matrix_view_sums.js";

const NAMES = ["preset", ...SETTINGS, "form", "picture", "entry"];
const SLIDERS = SETTINGS.slice(0, -1);
const CELL = { picture: [24, 26], toeplitz: [20, 21], im2col: [22, 24] }; // CSS pixels, down and across
const WIDE = 35; // a cell for an output of four figures

export default teach({ stem: "matrix_view", names: NAMES, settled, view });

function view({ say, fixed, controls, choose, now, redraw }) {
  let hovered = null; // {picture, entry} under the pointer
  let built = null; // the settings that the boards are built for
  let tables = null; // the numbers of the layer that is built
  let sighted = null; // the form and entry that have been scrolled to
  const looking = (state) => hovered ?? state;

  const pointed = {
    hover(target) { hovered = target; redraw(); },
    press({ picture, entry }) {
      hovered = null;
      choose({ picture, entry });
    },
    from(picture) {
      const state = now();
      if (state.picture === picture) return state.entry;
      return lights(state, state.picture, state.entry)[picture][0] ?? [0, 0];
    },
  };
  const still = { hover: pointed.hover, press: pointed.press };
  const boards = {
    input: board("input", { cell: CELL.picture, ...pointed }),
    kernel: board("kernel", { cell: CELL.picture, ...pointed }),
    output: board("output", { cell: [CELL.picture[0], WIDE], ...pointed }),
    "flat input": board("flat input", { cell: CELL.toeplitz, numbered: ["space", false], ...still }),
    toeplitz: board("toeplitz", { cell: CELL.toeplitz, numbered: [true, false], ...pointed }),
    "flat output": board("flat output", { cell: [CELL.toeplitz[0], WIDE], ...still }),
    columns: board("columns", { cell: [CELL.im2col[0], WIDE], numbered: [true, true], ...pointed }),
    rows: board("rows", { cell: CELL.im2col, numbered: [true, true], ...pointed }),
    product: board("product", { cell: [CELL.im2col[0], WIDE], numbered: [true, "space"], ...still }),
  };
  const figures = ["input", "kernel", "output"].map((name) => figure(say, name, boards[name].node));
  const forms = Object.fromEntries(FORMS.map((form) => [form, formOf(say, form, boards)]));
  const told = element("p", { class: "mv-told" });
  const sum = element("p", { class: "mv-sum", translate: "no" });
  const bill = billTable(say);
  const preset = controls.dropdown("preset", {
    label: say("preset"),
    options: [[null, say("preset.own")],
      ...Object.keys(fixed.presets).map((name) => [name, say(`preset.${name}`)])],
  });
  const form = controls.radios("form", {
    label: say("form"), options: FORMS.map((name) => [name, say(`form.${name}`)]),
  });

  function build(state) {
    const layer = settingsOf(state);
    if (same(layer, built)) return;
    [built, hovered] = [layer, null];
    tables = values(state);
    const padding = new Set(paddingEntries(state));
    for (const [name, one] of Object.entries(boards)) {
      const layout = layoutOf(name, state);
      one.show(layout, {
        values: tables[layout.picture],
        isPadding: name === "columns" ? (entry) => padding.has(entry.join()) : null,
      });
    }
    for (const { name, show } of figures) show(sizeOf(say, state, name));
    for (const name of PICTURES) {
      setAttribute(boards[name].node, "aria-label",
        say("board", { name: say(name), size: sizeOf(say, state, name) }));
    }
    for (const name of FORMS) forms[name].show(state);
    bill.show(counts(state));
  }

  return {
    node: element("div", { class: "mv-body" },
      element("div", { class: "cnn-row mv-top" }, preset.node, form.node),
      element("p", { class: "mv-help" }, say("help")),
      element("div", { class: "mv-pictures" }, ...figures.map(({ node }) => node)),
      element("div", { class: "mv-words" }, told, sum),
      ...FORMS.map((name) => forms[name].node),
      element("div", { class: "mv-lower" }, bill.node, settingsPanel(say, fixed, controls))),
    fit() { sighted = null; },
    draw(state) {
      build(state);
      const { picture, entry } = looking(state);
      const lit = lights(state, picture, entry);
      for (const [name, one] of Object.entries(boards)) {
        const at = layoutOf(name, state).picture;
        one.light(lit[at], name === "input" ? lit.padding : [], at === picture ? entry : null);
      }
      write(told, inWords(say, state, tables, picture, entry));
      write(sum, picture === "output" ? sumInWords(state, tables, entry) : "");
      for (const name of FORMS) forms[name].node.hidden = name !== state.form;
      const sight = [state.form, state.picture, state.entry];
      if (same(sight, sighted)) return;
      sighted = sight;
      forms[state.form].scroll(state.picture, state.entry, lit);
    },
    words(state) { return inWords(say, state, tables, state.picture, state.entry); },
  };
}

const settingsOf = (state) => Object.fromEntries(SETTINGS.map((name) => [name, state[name]]));

function sizeOf(say, state, name) {
  const { in_channels: channels, out_channels: count, height, width, kernel_size: size, groups } = state;
  const [rows, columns] = outSize(state);
  switch (name) {
    case "input": return say("size.input", { channels, height, width });
    case "kernel": return say("size.kernel", { count, channels: channels / groups, size });
    case "output": return say("size.output", { channels: count, height: rows, width: columns });
    default: {
      const [tall, wide] = sizes(state)[name];
      return say("size", { rows: tall, columns: wide });
    }
  }
}

// ---- Where the boards stand.

// Scrolls sideways as little as shows [from, to].
function reveal(box, [from, to]) {
  const margin = 30;
  if (from - margin < box.scrollLeft) box.scrollLeft = from - margin;
  else if (to + margin > box.scrollLeft + box.clientWidth) box.scrollLeft = to + margin - box.clientWidth;
}

function figure(say, name, node) {
  const size = element("span", { class: "mv-size" });
  return {
    name,
    node: element("figure", { class: "mv-figure" },
      element("figcaption", {}, say(name), " ", size), node),
    show(words) { write(size, words); },
  };
}

function formOf(say, form, boards) {
  const names = form === "toeplitz" ? ["flat input", "toeplitz", "flat output"] : ["columns", "rows", "product"];
  const caption = element("figcaption", {});
  const inner = element("div", { class: `mv-form mv-form-${form}` }, ...names.map((name) => boards[name].node));
  const box = element("div", { class: "cnn-scroll mv-box", role: "region", tabindex: 0,
    "aria-label": form === "toeplitz" ? say("region.toeplitz") : say("region.im2col") }, inner);
  const matrix = form === "toeplitz" ? "toeplitz" : "columns";
  return {
    node: element("figure", { class: "mv-figure" }, caption, box),
    show(state) {
      const size = sizeOf(say, state, matrix);
      write(caption, form === "toeplitz" ? say("caption.toeplitz", { size }) : say("caption.im2col", { size }));
    },
    // The first of the matrix' entries that light up comes into sight.
    scroll(picture, entry, lit) {
      const name = names.includes(picture) ? picture : matrix;
      const at = name === picture ? entry : lit[name][0];
      if (!at || box.scrollWidth <= box.clientWidth) return;
      const left = boards[name].node.offsetLeft - inner.offsetLeft;
      reveal(box, boards[name].extent(at).map((edge) => edge + left));
    },
  };
}

function settingsPanel(say, { limits, most }, controls) {
  const sliders = SLIDERS.map((name) => {
    const [min, max] = limits[name];
    return controls.slider(name, {
      label: say(name), min, max,
      follow(control, state) {
        const [low, high] = reach(state, name, limits[name], most);
        const narrow = low > min || high < max;
        const why = low === high ? say("range.fixed", { low }) : say("range", { low, high });
        control.bound({ min: low, max: high, why: narrow ? why : "" });
      },
    });
  });
  const groups = controls.dropdown("groups", {
    label: say("groups"), options: [[1, "1"]],
    follow: (control, state) => control.list(groupings(state).map((n) => [n, String(n)])),
  });
  return element("fieldset", { class: "mv-settings" }, element("legend", {}, say("settings")),
    element("div", { class: "mv-sliders" }, ...sliders.map(({ node }) => node), groups.node));
}

// How far one setting can go while the others stay.
function reach(state, name, [min, max], most) {
  let [low, high] = [state[name], state[name]];
  while (low > min && isLegible({ ...state, [name]: low - 1 }, most)) low -= 1;
  while (high < max && isLegible({ ...state, [name]: high + 1 }, most)) high += 1;
  return [low, high];
}

// ---- In words.

// What one entry is, where it comes from and where it goes.
function inWords(say, state, tables, picture, entry) {
  const [row, column] = entry;
  const value = tables[picture][row][column];
  const met = meetings(state, picture, entry);
  const real = met.filter((p) => isReal(state, p));
  const { width, in_channels: channels, groups, kernel_size: size } = state;
  const at = (channel, y, x) => say("at", { channel, row: y, column: x });
  const own = (channel) => channel % (channels / groups);
  const weightOf = (p) => at(own(p.channel), p.tapRow, p.tapColumn);
  const input = (channel, cell) => at(channel, ...split(cell, width));
  const output = (kernel, window) => at(kernel, ...split(window, outSize(state)[1]));
  const { output: [, windows], input: [, cells] } = sizes(state);
  const [first] = met;
  switch (picture) {
    case "input": return real.length
      ? say("told.input", { input: input(row, column), value, count: real.length, flat: row * cells + column,
        copies: new Set(real.map((p) => `${p.window} ${p.tapRow} ${p.tapColumn}`)).size })
      : say("told.input.unread", { input: input(row, column), value, flat: row * cells + column });
    case "kernel": return say("told.kernel",
      { weight: weightOf(first), value, kernel: row, count: real.length });
    case "output": {
      const told = { output: output(row, column), value, flat: row * windows + column, kernel: row,
        window: column, count: real.length, zeros: met.length - real.length };
      return told.zeros ? say("told.output.padding", told) : say("told.output", told);
    }
    case "toeplitz": {
      const [kernel, window] = split(row, windows);
      const [channel, cell] = split(column, cells);
      const both = { row, column, output: output(kernel, window), input: input(channel, cell) };
      if (!first) return say("told.toeplitz.empty", both);
      return say("told.toeplitz", { ...both, weight: weightOf(first), value, kernel,
        number: tables.input[channel][cell] });
    }
    case "rows": return first
      ? say("told.rows", { row, column, weight: weightOf(first), value, count: windows })
      : say("told.rows.empty", { row, column, channel: Math.floor(column / size ** 2) });
    default: {
      const both = { row, column, weight: weightOf(first), count: met.length };
      if (!real.length) return say("told.columns.padding", both);
      return say("told.columns", { ...both, value, input: at(first.channel, first.row, first.column) });
    }
  }
}

// The products of an output, written out.
function sumInWords(state, tables, entry) {
  const terms = meetings(state, "output", entry).map((p) => {
    const flat = p.channel * state.kernel_size ** 2 + p.tapRow * state.kernel_size + p.tapColumn;
    const number = tables.columns[flat][p.window];
    const weight = tables.rows[p.kernel][flat];
    return [weight < 0 ? " − " : " + ", `${Math.abs(weight)}·${number}`];
  });
  const text = terms.flat().join("").replace(/^ \+ /, "").replace(/^ − /, "−");
  return `${text} = ${decimal(tables.output[entry[0]][entry[1]], 0)}`;
}

// ---- What each form costs.

function billTable(say) {
  const keys = ["made", "shape", "entries", "filled", "stored", "products"];
  const cells = keys.map(() => FORMS.map(() => element("td")));
  const need = element("p", { class: "mv-need" });
  const table = element("table", { class: "mv-bill" },
    element("thead", {}, element("tr", {}, element("th", { scope: "col" }, say("count")),
      element("th", { scope: "col" }, say("form.toeplitz")), element("th", { scope: "col" }, say("form.im2col")))),
    element("tbody", {}, ...keys.map((key, i) => element("tr", {},
      element("th", { scope: "row" }, say(`count.${key}`)), ...cells[i]))));
  return {
    node: element("div", {}, table, need),
    show(told) {
      FORMS.forEach((form, i) => {
        const { rows, columns, entries, filled, stored, products } = told[form];
        const share = decimal((100 * filled) / entries, 0);
        const texts = [say(form === "toeplitz" ? "weights" : "numbers"), say("size", { rows, columns }),
          String(entries), say("share", { count: filled, share }), String(stored), String(products)];
        texts.forEach((text, key) => write(cells[key][i], text));
      });
      write(need, say("need", { count: told.toeplitz.filled }));
    },
  };
}
