// The service's API: the console's only back end. A token lives in this variable and nowhere else.

let token = "";
/** What was read last of each address, by its ETag: it need not be sent again. */
const known = new Map();
const KEPT = 40;
/** Called when the service does not know the caller (any more). */
let onUnknown = () => {};

export class Problem extends Error {
  constructor(status, body) {
    super(body.errorMessage || body.detail || `the service answered with status ${status}`);
    this.status = status;
    this.code = body.errorCode || "";
    this.faults = Array.isArray(body.errors) ? body.errors : [];
  }
}

export function useToken(text) {
  token = text;
  known.clear();
}

export function hasToken() {
  return token !== "";
}

export function whenUnknown(call) {
  onUnknown = call;
}

/** A response whose status is no error. Raises Problem; its status is 0 where nothing came back. */
export async function send(method, path, { query, body, headers = {}, signal } = {}) {
  const response = await asked(address(path, query), {
    method,
    headers: {
      ...(token ? { Authorization: `Bearer ${token}` } : {}),
      ...(body === undefined ? {} : { "Content-Type": "application/json" }),
      ...headers,
    },
    body: body === undefined ? undefined : JSON.stringify(body),
    // Nothing of what is shown stays on this machine's disk.
    cache: "no-store",
    redirect: "error",
    signal,
  });
  if (response.ok || response.status === 304) return response;
  const problem = new Problem(response.status, await response.json().catch(() => ({})));
  if (problem.status === 401) onUnknown(problem);
  throw problem;
}

async function asked(whole, request) {
  try {
    return await fetch(whole, request);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    const why = "The service cannot be reached; or a proxy before it wants you to sign in again: then reload this page.";
    throw new Problem(0, { errorMessage: why });
  }
}

/** For a request that is sent once, however often it has to be repeated. randomUUID is there over HTTPS alone. */
export const newKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");

/** What is at an address, as it is now. */
export async function get(path, { query, signal } = {}) {
  const whole = address(path, query);
  const before = known.get(whole);
  const headers = before ? { "If-None-Match": before.tag } : {};
  const response = await send("GET", path, { query, headers, signal });
  if (response.status === 304 && before) return before.content;
  const content = await response.json();
  const tag = response.headers.get("ETag");
  if (tag) remember(whole, { tag, content });
  return content;
}

export const jobPath = (jobId, ...further) => ["/api/v1/opsjobs", jobId, ...further].map((part, at) => (at ? encodeURIComponent(part) : part)).join("/");

function address(path, query) {
  const given = Object.entries(query ?? {}).filter(([, value]) => value !== "" && value !== undefined && value !== null);
  const text = new URLSearchParams(given).toString();
  return text ? `${path}?${text}` : path;
}

function remember(whole, found) {
  known.delete(whole);
  known.set(whole, found);
  if (known.size > KEPT) known.delete(known.keys().next().value);
}
