import { startNeonEndpoint } from "../dev/neon-endpoint.ts";

/** The database endpoint in a process of its own, so that it does not share a thread with the load. Prints its port. */
const endpoint = await startNeonEndpoint(process.argv[2] ?? "", { connections: 16 });
console.log(endpoint.port);
process.stdin.on("end", () => void endpoint.stop().then(() => process.exit(0))).resume();
