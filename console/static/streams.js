// Server-sent events by fetch, for EventSource sends no token: at most two at a time, and none while the tab is hidden.

import { Problem, send } from "./api.js";

const MOST = 2;
const PAUSES = [1, 2, 5, 10];
const open = new Set();

/**
 * Follow a stream to its `end`, over connections that break: `onEvent(name, data)`, and `onState(text)`, which is empty
 * while all is well. Returns what ends it.
 */
export function follow(path, query, onEvent, onState = () => {}) {
  const stream = { lastId: "", ended: false, abort: null, wake: null };
  const end = () => {
    stream.ended = true;
    open.delete(stream);
    stream.abort?.abort();
    stream.wake?.();
    document.removeEventListener("visibilitychange", look);
  };
  const look = () => (document.hidden ? stream.abort?.abort() : stream.wake?.());
  stream.end = end;
  while (open.size >= MOST) open.values().next().value.end();
  open.add(stream);
  document.addEventListener("visibilitychange", look);
  run(stream, path, query, onEvent, onState).finally(end);
  return end;
}

async function run(stream, path, query, onEvent, onState) {
  for (let failed = 0; !stream.ended; ) {
    if (document.hidden) {
      await sleep(stream, 86400);
      continue;
    }
    stream.abort = new AbortController();
    const before = stream.lastId;
    try {
      onState("");
      if (await read(stream, path, query, onEvent)) return;
    } catch (problem) {
      if (stream.ended) return;
      if (problem instanceof Problem && problem.status >= 400 && problem.status < 500 && problem.status !== 429) return void onState(problem.message);
      if (!document.hidden) onState("The connection broke; it is made again.");
    }
    failed = stream.lastId === before ? failed + 1 : 0;
    if (!document.hidden) await sleep(stream, PAUSES[Math.min(failed, PAUSES.length - 1)]);
  }
}

function sleep(stream, seconds) {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, Math.min(seconds * 1000, 2 ** 31 - 1));
    stream.wake = () => (clearTimeout(timer), resolve());
  });
}

/** Returns whether its end was read. */
async function read(stream, path, query, onEvent) {
  const headers = { Accept: "text/event-stream", ...(stream.lastId ? { "Last-Event-ID": stream.lastId } : {}) };
  const response = await send("GET", path, { query, headers, signal: stream.abort.signal });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let kept = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return false;
    const blocks = (kept + value).split("\n\n");
    kept = blocks.pop();
    for (const block of blocks) {
      const event = parsed(block);
      if (event.id) stream.lastId = event.id;
      if (stream.ended) return true;
      if (event.name === "end") return onEvent("end", event.data), true;
      if (event.name) onEvent(event.name, event.data);
    }
  }
}

function parsed(block) {
  const found = { name: "", id: "", data: null };
  for (const line of block.split("\n")) {
    if (line.startsWith("event: ")) found.name = line.slice(7);
    else if (line.startsWith("id: ")) found.id = line.slice(4);
    else if (line.startsWith("data: ")) found.data = JSON.parse(line.slice(6));
  }
  return found;
}
