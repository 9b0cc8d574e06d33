import { buildWorker, withLocalEntry } from "../../../dev/worker.ts";

/** Bundles the Worker into a folder, and prints the path of its entry module. */
const [, , folder = ""] = process.argv;
console.log(withLocalEntry(await buildWorker(folder)));
