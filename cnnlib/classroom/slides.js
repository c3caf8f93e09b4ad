// Keys for a deck of slides, and its formulas; without this script it scrolls as any page does.
const slides = [...document.querySelectorAll("section")];
const now = () => slides.findLastIndex((slide) => slide.getBoundingClientRect().top < window.innerHeight / 2);
const show = (place) => slides[Math.max(0, Math.min(slides.length - 1, place))].scrollIntoView();
const moves = {
  ArrowRight: 1, ArrowDown: 1, PageDown: 1, " ": 1,
  ArrowLeft: -1, ArrowUp: -1, PageUp: -1,
  Home: -Infinity, End: Infinity,
};

window.addEventListener("keydown", (event) => {
  const free = event.key !== " " || event.target === document.body; // space opens an answer
  if (event.key in moves && free && !event.ctrlKey && !event.altKey && !event.metaKey) {
    event.preventDefault();
    show(now() + (event.shiftKey && event.key === " " ? -1 : moves[event.key]));
  }
});

for (const formula of document.querySelectorAll(".math")) {
  const display = formula.tagName === "DIV";
  const source = formula.textContent.trim().replace(/^\\[([]|\\[)\]]$/g, "");
  window.katex.render(source, formula, { output: "mathml", displayMode: display, throwOnError: false });
}
