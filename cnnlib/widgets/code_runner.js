// Runs a student's program on the page: MicroPython in a worker, a new one for every run.
//
//     const runner = runnerOf(load);   load(path) runs a classic script of the site
//     const run = await runner.run(record, program, { onLoad, onReady });
//
// `run` is what agreement.js judges: {results, calling, printed, more, ended, raised, why}. `results` has
// one {value}, {shown} or {raised} for each case that was called; `calling` says whether the program
// itself has run; `ended` is "" where all cases were called, else "syntax", "missing", "raised", "time",
// "memory", "died", or "unable" where there is no MicroPython, and `why`.
// A newer run or stop() ends one that goes on; its promise then gives null. onLoad() is called where
// MicroPython has to be loaded first, onReady() when the program starts.
//
// Only calls go into the worker, and only what they give comes out: what is expected stays here.

import { HARNESS } from "./code_runner_harness.js";
import { workerMain } from "./code_runner_worker.js";

const SCRIPT = "micropython/python.js"; // written by the book's build
const SECONDS = 2;

let engine = null; // the promise of {address, wasm, plain}

export function runnerOf(load) {
  /** @type {(how: object) => void} */
  let end = () => {}; // gives the present run its end

  async function run(record, program, { onLoad, onReady }) {
    end(null);
    let worker = null;
    let timer = 0;
    const run = { results: [], calling: false, printed: "", more: false, ended: "" };
    const outcome = new Promise((done) => {
      end = (how) => {
        clearTimeout(timer);
        worker?.terminate();
        [worker, end] = [null, () => {}];
        done(how && { ...run, ...how });
      };
    });
    const mine = end;
    const hear = ({ data }) => {
      if (data.ready) {
        onReady();
        timer = setTimeout(() => mine({ ended: "time" }), 1000 * (record.seconds ?? SECONDS));
      } else if (data.calling) run.calling = true;
      else if (data.result) run.results.push(data.result);
      else if ("printed" in data) [run.printed, run.more] = [run.printed + data.printed, data.more];
      else mine(data);
    };
    start().catch((error) => mine({ ended: "unable", why: error.message }));
    return outcome;

    async function start() {
      if (!engine) onLoad();
      const { address, wasm, plain } = await engineFrom(load);
      if (end !== mine) return; // it has been ended while MicroPython was loaded
      worker = new Worker(address);
      worker.addEventListener("message", hear);
      worker.addEventListener("error", (event) => {
        event.preventDefault();
        mine({ ended: "unable", why: event.message ?? "" });
      });
      const calls = record.cases.map(({ call }) => call);
      const { name, setup } = record;
      worker.postMessage({ wasm, plain, harness: HARNESS, program, name, setup, calls }, []);
    }
  }

  return { run, stop: () => end(null) };
}

// Loads MicroPython, once for the page.
function engineFrom(load) {
  engine ??= readEngine(load).catch((error) => {
    engine = null; // the next run tries again
    throw error;
  });
  return engine;
}

async function readEngine(load) {
  await load(SCRIPT);
  const { engine: source, wasm, plain } = globalThis.cnnPython;
  const text = await unpacked(source).text();
  const parts = [text, `\n;(${workerMain})(loadMicroPython);\n`];
  return {
    address: URL.createObjectURL(new Blob(parts, { type: "text/javascript" })),
    wasm: await unpacked(wasm).arrayBuffer(),
    plain,
  };
}

// What a text of base64 holds, packed by gzip.
function unpacked(base64) {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip")));
}
