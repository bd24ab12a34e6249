// Talking to the server. Owns: requests, what a refusal says, the stream of events. Does not know: what answers mean.

/** A refusal of the server, in words for people. */
export class Refusal extends Error {
  constructor(status, said) {
    const { expected = "", found = "", where = "", do: todo = "" } = said || {};
    const facts = expected
      ? `expected ${expected}${found ? `, found ${found}` : ""}`
      : found || `the server answered ${status}`;
    super(`${facts.charAt(0).toUpperCase()}${facts.slice(1)}${where ? ` (${where})` : ""}.${todo ? ` ${todo}` : ""}`);
    this.status = status;
  }
}

/** GET an address below `/api/`. */
export async function get(path, parameters = {}) {
  const query = new URLSearchParams(
    Object.entries(parameters).filter(([, value]) => value !== null && value !== undefined),
  );
  const address = query.size ? `/api/${path}?${query}` : `/api/${path}`;
  return answer(await fetch(address, { headers: { Accept: "application/json" } }));
}

/** POST one object to an address below `/api/`. */
export async function post(path, body) {
  const headers = { "Content-Type": "application/json", "X-Packsmith": "1" };
  return answer(await fetch(`/api/${path}`, { method: "POST", headers, body: JSON.stringify(body) }));
}

async function answer(response) {
  const text = await response.text();
  let value = null;
  try {
    value = JSON.parse(text);
  } catch {
    if (response.ok) throw new Refusal(response.status, { found: "an answer that is not JSON" });
  }
  if (!response.ok) throw new Refusal(response.status, value?.error);
  return value;
}

/**
 * The stream of events; `have()` says what is held when a connection begins. The browser reconnects by itself after
 * most failures; where it gives up (the server answered with an error), this does, with pauses that grow to ten
 * seconds.
 */
export function stream(have, handlers, connected) {
  let source = null;
  let pause = 500;
  const open = () => {
    source = new EventSource(`/api/events?${new URLSearchParams({ have: have() })}`);
    source.addEventListener("open", () => {
      pause = 500;
      connected(true);
    });
    source.addEventListener("error", () => {
      connected(false);
      if (source.readyState !== EventSource.CLOSED) return;
      setTimeout(open, pause);
      pause = Math.min(2 * pause, 10000);
    });
    for (const [name, handler] of Object.entries(handlers)) {
      source.addEventListener(name, (event) => handler(JSON.parse(event.data)));
    }
  };
  open();
  window.addEventListener("pagehide", () => source.close());
}
