// The same request for who would rather type it, or put it into a script.

const SELECTORS = { "addon.template": "--template", "node.template": "--node-template", node: "--node", "node.selector": "--selector", workspace: "--workspace", workload: "--workload", cluster: "--cluster" };
const NUMBERS = { timeoutSecond: "--timeout-seconds", batchCount: "--batch-count", availableRatio: "--available-ratio" };
const FLAGS = { isTolerateAll: "--tolerate-all", securityUpgrade: "--security-upgrade" };
const RESOURCES = { cpu: "--cpu", memory: "--memory", gpu: "--gpu", ephemeralStorage: "--ephemeral-storage", sharedMemory: "--shared-memory", replica: "--replica" };
const JOIN = " \\\n  ";

/** Text as one word of a POSIX shell. */
export function quoted(text) {
  return /^[\w@%+=:,./-]+$/.test(text) ? String(text) : `'${String(text).replaceAll("'", `'\\''`)}'`;
}

/** Values of env are not shown: who copies the line fills them in. */
export function asCurl(body, origin) {
  const shown = body.env ? { ...body, env: Object.fromEntries(Object.keys(body.env).map((name) => [name, "…"])) } : body;
  return ["curl -X POST", quoted(`${origin}/api/v1/opsjobs`), `-H "Authorization: Bearer $OPSJOBS_TOKEN"`, "-H 'Content-Type: application/json'", `-d ${quoted(JSON.stringify(shown, null, 1))}`].join(JOIN);
}

export function asCommand(body) {
  const line = [`opsjobs ${body.type}`, `--name ${quoted(body.name)}`];
  const add = (flag, value) => line.push(`${flag} ${quoted(String(value))}`);
  for (const { name, value } of body.inputs) add(SELECTORS[name], value);
  for (const name of body.excludedNodes ?? []) add("--exclude-node", name);
  for (const [field, flag] of Object.entries(NUMBERS)) if (body[field] !== undefined) add(flag, body[field]);
  for (const [field, flag] of Object.entries(FLAGS)) if (body[field]) line.push(flag);
  if (body.rollout) rollout(body.rollout, add);
  if (body.type === "preflight") {
    add("--image", body.image);
    line.push("--script check.sh");
    for (const name of Object.keys(body.env ?? {})) add("--env", name);
    for (const path of body.hostpath ?? []) add("--host-path", path);
    for (const [field, value] of Object.entries(body.resource ?? {})) add(RESOURCES[field], value);
  }
  return line.join(JOIN);
}

function rollout(found, add) {
  if (found.maxUnavailable !== undefined) add("--max-unavailable", found.maxUnavailable);
  if (found.failureLimit !== undefined) add("--failure-limit", found.failureLimit);
  add("--on-failure", found.onFailure);
  if (found.topology?.together) add("--together", found.topology.label);
  else if (found.topology) add("--per-group", `${found.topology.label}=${found.topology.maxPerGroup}`);
  for (const phase of found.phases ?? []) {
    add("--phase", [phase.nodes ?? "rest", phase.soakSeconds && `soak=${phase.soakSeconds}`, phase.advance === "manual" && "manual"].filter(Boolean).join(","));
  }
}
