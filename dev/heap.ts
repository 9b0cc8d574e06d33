import { once } from "node:events";
import WebSocket from "ws";

interface HeapUsage {
  usedSize: number;
  backingStorageSize?: number;
}

export interface Heap {
  /** Objects and the bytes behind buffers, in MB, garbage included. */
  megabytes(): Promise<number>;
  /** Frees what nothing refers to. */
  collect(): Promise<void>;
  close(): void;
}

/**
 * The heap of the Worker's own isolate, and of none of the simulators beside it.
 * @param inspectorPort as the Worker was started with
 */
export async function heapOf(inspectorPort: number): Promise<Heap> {
  const targets = (await (await fetch(`http://127.0.0.1:${inspectorPort}/json`)).json()) as {
    webSocketDebuggerUrl: string;
  }[];
  const target = targets.find((each) =>
    each.webSocketDebuggerUrl.endsWith("user:shadower-analytics"),
  );
  if (!target) throw new Error("The inspector does not list the Worker");
  const socket = new WebSocket(target.webSocketDebuggerUrl);
  await once(socket, "open");
  let last = 0;
  const call = (method: string) =>
    new Promise<unknown>((resolve) => {
      const id = ++last;
      socket.on("message", function answer(data) {
        const { id: of, result } = JSON.parse(String(data)) as { id: number; result: unknown };
        if (of !== id) return;
        socket.off("message", answer);
        resolve(result);
      });
      socket.send(JSON.stringify({ id, method }));
    });
  return {
    megabytes: async () => {
      const { usedSize, backingStorageSize = 0 } = (await call(
        "Runtime.getHeapUsage",
      )) as HeapUsage;
      return (usedSize + backingStorageSize) / 2 ** 20;
    },
    collect: async () => {
      await call("HeapProfiler.collectGarbage");
    },
    close: () => socket.close(),
  };
}
