// The sentences that a reader sees, out of the table that came with the widget.
//
// The twin of Words in cnnlib/widgets/words: {name} is filled in, {name|one|more} chooses by a whole
// number. say("key", {name: value}) throws for a key or a value that is missing.

const BLANK = /\{(\w+)(?:\|([^{}|]*)\|([^{}|]*))?\}/g;

export function makeWords(table) {
  return function say(key, values = {}) {
    if (!Object.hasOwn(table, key)) throw new Error(`no text for ${key}`);
    return table[key].replace(BLANK, (_, name, one, more) => {
      if (!Object.hasOwn(values, name)) throw new Error(`${key} needs a value for ${name}`);
      const value = values[name];
      if (typeof value !== "string" && !Number.isInteger(value)) {
        throw new Error(`${key}: ${name}=${value}: expected a text or a whole number`);
      }
      if (one !== undefined) return value === 1 ? one : more;
      return typeof value === "string" ? value : signed(String(value));
    });
  };
}

// A number's text with a true minus sign.
export function signed(text) {
  return text.replaceAll("-", "−");
}

// A number in at most `decimals` decimals.
export function decimal(value, decimals = 2) {
  const rounded = Number(value.toFixed(decimals));
  return signed(Math.abs(rounded) >= 1e6 ? rounded.toExponential(1) : String(rounded + 0));
}

// A number with so many decimals, as fixed_point of words/__init__.py writes it.
export function fixedPoint(value, decimals) {
  const text = value.toFixed(decimals);
  return Number(text) === 0 ? text.replace("-", "") : signed(text);
}

// "a, b and c".
export function listed(say, words) {
  if (words.length < 2) return words.join("");
  return say("kit.and", { first: words.slice(0, -1).join(", "), last: words.at(-1) });
}

// Rows first to last, or columns: "row 3", "rows 3 to 7", "no rows".
export function span(say, axis, range) {
  if (!range || range[0] === null) return say(`kit.no_${axis}s`);
  const [first, last] = range;
  return first === last ? say(`kit.${axis}`, { [axis]: first }) : say(`kit.${axis}s`, { first, last });
}
