import { createServer } from "node:net";

/** Listens for a moment on the loopback interface. @returns its port */
function tryPort(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(port, "127.0.0.1", () => {
      const address = probe.address();
      const had = typeof address === "object" ? address?.port : undefined;
      probe.close(() => (had ? resolve(had) : reject(new Error("no port"))));
    });
  });
}

/** A free TCP port of the loopback interface. */
export const freePort = (): Promise<number> => tryPort(0);

/** A server that was just ended may hold its port for a moment longer than its process is seen. */
const PATIENCE_MS = 3000;

/**
 * The port asked for, or a free one for 0.
 * @throws Error that names the port and the variable to change it
 */
export async function portFor(port: number): Promise<number> {
  for (const end = Date.now() + PATIENCE_MS; ; ) {
    try {
      return await tryPort(port);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code === "EACCES")
        throw new Error(`Port ${port} may not be used by this user. Choose another: PORT=8787`);
      if (Date.now() > end)
        throw new Error(
          `Port ${port} is in use. Stop the program that uses it, or choose another: PORT=${port + 1} npm start`,
        );
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}
