// Stands before the built Worker while answers are recorded: the time is what the recorder says, so
// that two recordings are of the same moment whenever they are made.
const RealDate = globalThis.Date;
let atMs = 0;

/** @param {string | null} text milliseconds since 1970 */
export function setClock(text) {
  if (text !== null) atMs = Number(text);
}

const now = () => atMs;

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args, self) => Reflect.construct(target, args.length ? args : [atMs], self),
  apply: () => new RealDate(atMs).toString(),
  get: (target, name) => (name === "now" ? now : Reflect.get(target, name)),
});
// What is measured takes no time.
Object.defineProperty(globalThis.performance, "now", { value: now });
