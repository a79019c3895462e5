/** Lets the host's event loop turn, in any JavaScript host. */

/** Resolves when everything that is ready to run now has run. */
export function nextTask(): Promise<void> {
  // Node: after timers, input and output. Elsewhere a message is the quickest way to a new task.
  if (typeof setImmediate === 'function') return new Promise((resolve) => setImmediate(resolve));
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve();
    };
    port2.postMessage(null);
  });
}
