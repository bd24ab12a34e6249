// What this page knows of its runs. Owns: states and columns by run, kept up to date by the stream, and who is told.
// Does not know: elements.

import { get, stream } from "./api.js";
import { Columns } from "./columns.js";

const runs = [];
const listeners = new Set();
let waiting = new Set();
let online = true;

export const about = { version: "", readonly: false };

/** All runs, in the order of the command line: `{state, columns, ready}`. */
export function all() {
  return runs;
}

/** One run by its position, undefined for none. */
export function run(position) {
  return runs[position];
}

export function connected() {
  return online;
}

/** Call `listener(changes)` at most once a frame with what changed: `rows:0`, `state:0`, `job:0`, `online`. */
export function listen(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}

function tell(change) {
  if (waiting.size === 0) setTimeout(deliver, document.hidden ? 1000 : 50);
  waiting.add(change);
}

function deliver() {
  const changes = waiting;
  waiting = new Set();
  for (const listener of [...listeners]) listener(changes);
}

/** Load the list of runs and the columns of one, then follow all of them. */
export async function begin(first) {
  const answer = await get("runs");
  Object.assign(about, { version: answer.version, readonly: answer.readonly });
  for (const state of answer.runs) runs.push({ state, columns: new Columns(), ready: null, job: new Map() });
  if (runs[first]) await ready(first);
  follow();
}

/** Load a run's columns, once. */
export function ready(position) {
  const here = runs[position];
  here.ready ||= reload(position);
  return here.ready;
}

async function reload(position) {
  const answer = await get(`runs/${position}/attempts`, { since: 0 });
  const columns = new Columns();
  columns.take(answer);
  columns.version = runs[position].columns.version + 1;
  runs[position].columns = columns;
  tell(`rows:${position}`);
}

function follow() {
  const have = () =>
    runs
      .map(({ columns }, at) => (columns.epoch ? `${at}:${columns.epoch}:${columns.count}` : ""))
      .filter(Boolean)
      .join(",");
  const again = (position) => {
    runs[position].ready = reload(position);
  };
  stream(
    have,
    {
      attempts: (event) => {
        const here = runs[event.run];
        if (!here) return;
        here.ready ||= Promise.resolve();
        if (here.columns.take(event)) tell(`rows:${event.run}`);
        else again(event.run);
      },
      state: (state) => {
        if (!runs[state.run]) return;
        runs[state.run].state = state;
        tell(`state:${state.run}`);
      },
      reset: (event) => runs[event.run] && again(event.run),
      job: (job) => {
        if (!runs[job.run]) return;
        runs[job.run].job.set(job.ticket, job);
        tell(`job:${job.run}`);
      },
    },
    (now) => {
      if (online !== now) tell("online");
      online = now;
    },
  );
}
