// What the front end's modules find around them that TypeScript's own libraries do not have.

interface Document {
  cnnIds?: number; // see uniqueId in kit/dom.js
}

// The newest addition to arrays that the page uses; browsers have it since they have Array.at.
interface Array<T> {
  findLast(test: (value: T, index: number) => unknown): T | undefined;
}

// micropython/python.js, a classic script that the book's build writes.
declare var cnnPython: { engine: string; wasm: string; plain: string };
