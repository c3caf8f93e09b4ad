// Runs one program in a worker of its own, which is then ended. The function stands alone: its text
// goes into the worker behind MicroPython's, which gives it loadMicroPython.
//
// The worker gets {wasm, harness, plain, name, program, setup, calls} and tells
//
//   {ready: true}          the program starts now, and so does its time
//   {calling: true}        the program has run, the calls begin
//   {printed, more}        what it has printed since; more: that it printed more than is told
//   {result}               of one call: {value}, {shown} or {raised}
//   {ended, raised, why}   the end, "" where every call has its result; "syntax", "missing", "raised",
//                          "memory" or "died" before; "unable" where there is no MicroPython, and why
//
// A program is a stranger's. It cannot reach JavaScript: what MicroPython asks for in the names of its
// modules js and jsffi is cut off before the program starts. Nor is there anything left to request
// with.

export function workerMain(loadMicroPython) {
  const MEMORY = 96 * 2 ** 20; // bytes
  const HEAP = 2 ** 20; // bytes at first; it grows
  const PRINTED = 10000; // characters
  const REACHING = [
    "fetch", "XMLHttpRequest", "WebSocket", "WebSocketStream", "WebTransport", "EventSource",
    "importScripts", "Worker", "SharedWorker", "BroadcastChannel", "indexedDB", "caches", "navigator",
  ];
  // MicroPython's ways to JavaScript's values.
  const WAYS = [
    "call0", "call0_kwarg", "call1", "call2", "calln", "calln_kwarg", "create_promise", "has_attr",
    "js_get_error_info", "js_get_iter", "js_iter_next", "js_reflect_construct", "js_subscr_load",
    "js_subscr_store", "js_then_continue", "js_then_reject", "js_then_resolve", "lookup_attr",
    "store_attr",
  ];
  const { now } = Date;
  const tell = globalThis.postMessage.bind(globalThis);

  // ---- What is printed: told in pieces, and no more than can be read.

  const decoder = new TextDecoder();
  let [piece, count, more, told] = ["", 0, false, 0];

  function print(bytes) {
    if (count < PRINTED) {
      const letter = decoder.decode(bytes, { stream: true });
      piece += letter;
      count += letter.length;
    } else if (!more) {
      more = true;
      tellPrinted();
    }
    if (piece.endsWith("\n") || (piece && now() - told > 50)) tellPrinted();
  }

  function tellPrinted() {
    if (piece || more) tell({ printed: piece, more });
    [piece, told] = ["", now()];
  }

  // ---- The interpreter: its step function (see code_runner_harness.js).

  /** @param {any} imports */
  function limited({ env, ...rest }) {
    const grow = env.emscripten_resize_heap;
    const cut = Object.fromEntries(WAYS.map((name) => {
      if (!(name in env)) throw new Error(`MicroPython has no ${name}`);
      return [name, () => { throw new Error("a program has no way to JavaScript"); }];
    }));
    return {
      ...rest,
      env: {
        ...env, ...cut, has_attr: () => 0, lookup_attr: () => 0,
        emscripten_resize_heap: (size) => ((size >>> 0) > MEMORY ? 0 : grow(size)),
      },
    };
  }

  async function interpreter({ wasm, harness, plain }) {
    globalThis[REACHING[0]] = () => Promise.resolve(null); // it asks for its wasm, which is here already
    WebAssembly.instantiateStreaming = (nothing, imports) =>
      WebAssembly.instantiate(wasm, limited(imports));
    const python = await loadMicroPython({
      url: "micropython.wasm", heapsize: HEAP, linebuffer: false, stdout: print, stderr: print,
      stdin: () => null,
    });
    for (const name of REACHING) {
      Object.defineProperty(globalThis, name, { value: undefined, writable: false });
    }
    python.globals.set("PLAIN", plain);
    python.runPython(harness);
    const step = python.globals.get("step");
    for (const name of ["PLAIN", "made", "step"]) python.globals.delete(name);
    return (...asked) => JSON.parse(step(...asked));
  }

  // ---- A run.

  const FILE = "program.py";
  const TOO_DEEP = { type: "RuntimeError", message: "maximum recursion depth exceeded", lines: [] };

  // The lines of the student's program that a traceback names, as [number, text]; equal neighbours once.
  function linesOf(traceback, program) {
    const texts = program.split("\n");
    const numbers = [...traceback.matchAll(/^ {2}File \x22([^\x22]*)\x22, line (\d+)/gm)]
      .filter(([, file, number]) => file === FILE && number <= texts.length)
      .map(([, , number]) => Number(number));
    return numbers.filter((number, i) => number !== numbers[i - 1]).slice(-8)
      .map((number) => [number, texts[number - 1].trim()]);
  }

  function without({ raised, ...rest }, program) {
    if (!raised) return rest;
    const { type, message, traceback } = raised;
    return { ...rest, raised: { type, message, lines: linesOf(traceback, program) } };
  }

  function run(step, { name, program, setup, calls }) {
    const ended = (how) => {
      tellPrinted();
      tell({ ended: how.ended ?? "raised", ...without(how, program) });
    };
    for (const [text, file] of [[setup, "setup.py"], [program, FILE]]) {
      const failed = step("program", text, file);
      if (failed) return ended(failed);
    }
    const there = step("named", "", name);
    if (there !== true) return ended({ ended: "missing" });
    tell({ calling: true });
    for (const call of calls) {
      const result = step("call", call, "call");
      if (result.ended) return ended(result);
      tellPrinted();
      tell({ result: without(result, program) });
    }
    return ended({ ended: "" });
  }

  globalThis.addEventListener("message", async ({ data }) => {
    let step = null;
    try {
      step = await interpreter(data);
      tell({ ready: true });
      run(step, data);
    } catch (error) { // the interpreter itself has broken, or could not be had
      tellPrinted();
      if (!step) tell({ ended: "unable", why: error.message });
      else if (error instanceof RangeError) tell({ ended: "raised", raised: TOO_DEEP });
      else tell({ ended: "died" });
    }
  });
}
