// Where keys lead, and what a pointer is on: by mouse, touch and pen alike.

// Where the arrow, Home and End keys lead on a grid of rows x columns, or null for other keys.
/** @param {string} key  @param {number[]} place  @param {number[]} shape */
export function gridStep(key, [row, column], [rows, columns]) {
  const clamp = (value, most) => Math.max(0, Math.min(most, value));
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  if (Object.hasOwn(moves, key)) {
    const [down, right] = moves[key];
    return [clamp(row + down, rows - 1), clamp(column + right, columns - 1)];
  }
  if (key === "Home") return [row, 0];
  if (key === "End") return [row, columns - 1];
  return null;
}

// The cell of a grid of rows x columns, drawn evenly over a box, that a point lies in; null outside.
/**
 * @param {{clientX: number, clientY: number}} point
 * @param {{top: number, left: number, width: number, height: number}} box  @param {number[]} shape
 */
export function cellAt({ clientX, clientY }, box, [rows, columns]) {
  const row = Math.floor(((clientY - box.top) / box.height) * rows);
  const column = Math.floor(((clientX - box.left) / box.width) * columns);
  const inside = row >= 0 && column >= 0 && row < rows && column < columns;
  return inside ? [row, column] : null;
}

// Pointing at a picture. at(event) gives what a point lies on, or null.
//
//   hover(what or null)   a mouse or a pen over it, without a button; null when it leaves
//   press(what, event)    a tap or a click
//   drag(what)            moved over with the button down, or a pen, from a press on
//   release()
//
// A finger presses when it is lifted without having scrolled. With `holdsTouch` it drags as a mouse
// does, and the picture does not scroll under it; with "sideways" it drags when it sets out
// sideways, and scrolls up and down.
// Returns the undo.
/** @param {HTMLElement | SVGElement} node  @param {any} options */
export function pointing(node, { at, hover, press, drag, release, holdsTouch = false }) {
  let down = false;
  let from = null; // where a finger went down that may still scroll
  let seen = "";
  const mayScroll = (event) => event.pointerType === "touch" && holdsTouch !== true;
  const handlers = {
    pointerdown(event) {
      if (event.button !== 0 || (event.pointerType === "touch" && !holdsTouch)) return;
      const what = at(event);
      if (what === null) return;
      down = true;
      from = mayScroll(event) ? event : null;
      if (drag) node.setPointerCapture?.(event.pointerId);
      if (!from) press?.(what, event);
    },
    click(event) { // a finger's tap; a mouse has pressed already
      if (!mayScroll(event)) return;
      const what = at(event);
      if (what !== null) press?.(what, event);
    },
    pointermove(event) {
      if (event.pointerType === "touch" && !down) return;
      const what = at(event);
      if (from) {
        if (Math.abs(event.clientX - from.clientX) <= Math.abs(event.clientY - from.clientY)) return;
        from = null;
        if (what !== null) press?.(what, event);
      }
      if (down && drag) {
        if (what !== null) drag(what);
        return;
      }
      const key = JSON.stringify(what);
      if (key !== seen) hover?.(what);
      seen = key;
    },
    touchmove(event) { // inside of an SVG drawing touch-action has no power
      if (down && !from && event.cancelable) event.preventDefault();
    },
    pointerup: end,
    pointercancel: end,
    pointerleave() {
      seen = "";
      hover?.(null);
    },
  };
  function end() {
    if (down && !from) release?.();
    [down, from] = [false, null];
  }
  if (holdsTouch) node.style.touchAction = holdsTouch === true ? "none" : "pan-y pinch-zoom";
  else delete handlers.touchmove; // it may make a page scroll less smoothly
  for (const [name, handler] of Object.entries(handlers)) {
    node.addEventListener(name, handler, name === "touchmove" ? { passive: false } : undefined);
  }
  return () => {
    for (const [name, handler] of Object.entries(handlers)) node.removeEventListener(name, handler);
  };
}
