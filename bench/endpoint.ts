import { startNeonEndpoint } from "../dev/neon-endpoint.ts";

/** The database endpoint in a process of its own, apart from the load. Prints its port. */
const endpoint = await startNeonEndpoint(process.argv[2] ?? "", { connections: 16 });
console.log(endpoint.port);
process.stdin.on("end", () => void endpoint.stop().then(() => process.exit(0))).resume();
