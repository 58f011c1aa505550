// What a person has filled in of a form, and the request's body that it comes to.

export const KINDS = {
  addon: ["addon.template", "node.template", "node", "node.selector", "workspace", "workload", "cluster"],
  preflight: ["node", "node.selector", "workspace", "workload", "cluster"],
  reboot: ["node", "node.selector", "workspace", "workload", "cluster"],
  dumplog: ["workload"],
  exportimage: ["workload"],
};
export const WHAT = {
  addon: "Run scripts as root on nodes",
  preflight: "Check nodes with an image of yours, all at the same time",
  reboot: "Drain nodes, reboot them, and give them back",
  dumplog: "Gather the logs of a workload in one archive",
  exportimage: "Copy a workload's image to the registry",
};
export const ROLLED_OUT = ["addon", "reboot"];
const RESOURCES = ["cpu", "memory", "gpu", "ephemeralStorage", "sharedMemory", "replica"];

export function newDraft(type, query) {
  const first = KINDS[type][0];
  const nodes = query.get("node");
  const inputs = [{ name: first, value: "" }];
  if (type === "addon" || (nodes && first !== "node")) inputs.push({ name: "node", value: nodes ?? "" });
  else if (nodes) inputs[0].value = nodes;
  return {
    type,
    name: type,
    inputs,
    excludedNodes: "",
    timeoutSecond: "",
    isTolerateAll: false,
    batchCount: "",
    availableRatio: "",
    securityUpgrade: false,
    rollout: { on: false, maxUnavailable: "", failureLimit: "", onFailure: "stop", label: "", group: "1", phases: [] },
    image: "",
    script: "#!/bin/sh\n",
    env: "",
    hostpath: "",
    resource: Object.fromEntries(RESOURCES.map((name) => [name, ""])),
  };
}

/** The body of a request; what is left empty is left out, and what cannot be read is sent as it is: the service says why. */
export function bodyOf(draft) {
  const body = { name: draft.name, type: draft.type, inputs: draft.inputs.flatMap(inputs) };
  if (words(draft.excludedNodes).length) body.excludedNodes = words(draft.excludedNodes);
  if (draft.timeoutSecond) body.timeoutSecond = asNumber(draft.timeoutSecond);
  if (draft.isTolerateAll) body.isTolerateAll = true;
  if (draft.type === "addon") {
    if (draft.batchCount) body.batchCount = asNumber(draft.batchCount);
    if (draft.availableRatio) body.availableRatio = asNumber(draft.availableRatio);
    if (draft.securityUpgrade) body.securityUpgrade = true;
  }
  if (ROLLED_OUT.includes(draft.type) && draft.rollout.on) body.rollout = rolloutOf(draft.rollout);
  if (draft.type === "preflight") Object.assign(body, checkOf(draft));
  return body;
}

/** A node's field takes several names. */
function inputs({ name, value }) {
  const values = name === "node" ? words(value) : [value.trim()].filter(Boolean);
  return values.map((one) => ({ name, value: one }));
}

function rolloutOf(rollout) {
  const found = { onFailure: rollout.onFailure };
  if (rollout.maxUnavailable) found.maxUnavailable = asNumber(rollout.maxUnavailable);
  if (rollout.failureLimit) found.failureLimit = asNumber(rollout.failureLimit);
  if (rollout.label) found.topology = { label: rollout.label, ...(rollout.group === "together" ? { together: true } : { maxPerGroup: asNumber(rollout.group) }) };
  if (rollout.phases.length) {
    found.phases = rollout.phases.map((phase) => ({
      ...(phase.nodes ? { nodes: asNumber(phase.nodes) } : {}),
      ...(phase.soakSeconds ? { soakSeconds: asNumber(phase.soakSeconds) } : {}),
      ...(phase.manual ? { advance: "manual" } : {}),
    }));
  }
  return found;
}

function checkOf(draft) {
  const found = { image: draft.image.trim(), entryPoint: asBase64(draft.script) };
  const resource = Object.entries(draft.resource).filter(([, value]) => value);
  if (resource.length) found.resource = Object.fromEntries(resource.map(([name, value]) => [name, name === "replica" ? asNumber(value) : value]));
  const env = lines(draft.env).map((line) => [line.split("=", 1)[0], line.slice(line.indexOf("=") + 1 || line.length)]);
  if (env.length) found.env = Object.fromEntries(env);
  if (lines(draft.hostpath).length) found.hostpath = lines(draft.hostpath);
  return found;
}

const words = (text) => text.split(/[\s,]+/).filter(Boolean);
const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean);
const asNumber = (text) => (/^\d+(\.\d+)?$/.test(text.trim()) ? Number(text) : text.trim());
const asBase64 = (text) => btoa(String.fromCharCode(...new TextEncoder().encode(text)));
