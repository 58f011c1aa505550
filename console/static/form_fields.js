// The fields of the form of each type of job.

import { KINDS, ROLLED_OUT } from "./draft.js";
import { h } from "./elements.js";
import { choice, field } from "./parts.js";

/** Fields that change `draft` and call `changed()`; `templates` are the names of the templates that there are. */
export function formFields(draft, templates, changed) {
  const text = (from, name, label, note, props = {}) =>
    field(label, h("input", { ...props, value: from[name], oninput: (event) => ((from[name] = event.target.value), changed()) }), note);
  const area = (from, name, label, note, rows) =>
    field(label, h("textarea", { rows: String(rows), spellcheck: "false", value: from[name], oninput: (event) => ((from[name] = event.target.value), changed()) }), note);
  const tick = (from, name, label) =>
    h("label", { class: "tick" }, h("input", { type: "checkbox", checked: from[name], onchange: (event) => ((from[name] = event.target.checked), changed()) }), label);
  const select = (from, name, label, values) =>
    field(label, choice({ onchange: (event) => ((from[name] = event.target.value), changed()) }, values, from[name]));
  return [
    text(draft, "name", "Name", "What people call the job; its id begins with it."),
    inputRows(draft, templates, changed),
    draft.type === "preflight" && check(draft, text, area),
    ROLLED_OUT.includes(draft.type) && rollout(draft, text, tick, select, changed),
    h(
      "details",
      null,
      h("summary", null, "More"),
      draft.type === "addon" && pair(text(draft, "batchCount", "Nodes at a time", "1 where it is empty"), text(draft, "availableRatio", "Part that must succeed", "above 0, at most 1")),
      draft.type === "addon" && tick(draft, "securityUpgrade", "Wait until no workload runs on a node"),
      pair(text(draft, "excludedNodes", "Never these nodes"), text(draft, "timeoutSecond", "Timeout in seconds")),
      tick(draft, "isTolerateAll", "Also nodes that are tainted or cordoned"),
    ),
  ];
}

const pair = (...fields) => h("div", { class: "pair" }, fields);

function inputRows(draft, templates, changed) {
  const rows = draft.inputs.map((row, at) =>
    h(
      "div",
      { class: "input-row" },
      choice({ "aria-label": "What it is", onchange: (event) => ((row.name = event.target.value), (row.value = ""), changed()) }, KINDS[draft.type].map((kind) => [kind, kind]), row.name),
      value(row, templates, changed),
      h("button", { type: "button", class: "quiet", "aria-label": `Take out ${row.name} ${row.value}`, disabled: draft.inputs.length === 1, onclick: () => (draft.inputs.splice(at, 1), changed()) }, "✕"),
    ),
  );
  const add = () => (draft.inputs.push({ name: KINDS[draft.type].includes("node") ? "node" : "workload", value: "" }), changed());
  return h(
    "fieldset",
    null,
    h("legend", null, draft.type === "addon" ? "What runs, and where" : "Where"),
    rows,
    h("button", { type: "button", class: "quiet", onclick: add }, "Add"),
    h("p", { class: "note" }, "The same kind again adds up, different kinds narrow each other. A node field takes several names."),
  );
}

function value(row, templates, changed) {
  const label = `Value of ${row.name}`;
  const names = templates[row.name];
  const set = (event) => ((row.value = event.target.value), changed());
  if (names?.length) return choice({ "aria-label": label, onchange: set }, [["", "choose…"], ...names.map((one) => [one.name, one.description ? `${one.name} – ${one.description}` : one.name])], row.value);
  return h("input", { "aria-label": label, value: row.value, oninput: set });
}

function check(draft, text, area) {
  const { resource } = draft;
  return [
    text(draft, "image", "Image", "What the check runs in.", { placeholder: "registry.example.com/check:1.2" }),
    area(draft, "script", "Script", "0 is healthy, 1 unhealthy, any other exit code: not tested.", 7),
    pair(text(resource, "gpu", "GPUs"), text(resource, "cpu", "CPU"), text(resource, "memory", "Memory"), text(resource, "sharedMemory", "Shared memory"), text(resource, "replica", "On so many nodes")),
    pair(area(draft, "env", "Environment", "A line each: NAME=value", 3), area(draft, "hostpath", "Host paths", "A line each", 3)),
  ];
}

function rollout(draft, text, tick, select, changed) {
  const found = draft.rollout;
  const phases = found.phases.map((phase, at) =>
    h(
      "div",
      { class: "phase-row" },
      text(phase, "nodes", `Phase ${at + 1}: nodes`, undefined, { placeholder: "1, 10% or rest" }),
      text(phase, "soakSeconds", "Soak, seconds"),
      tick(phase, "manual", "Gate"),
      h("button", { type: "button", class: "quiet", "aria-label": `Take out phase ${at + 1}`, onclick: () => (found.phases.splice(at, 1), changed()) }, "✕"),
    ),
  );
  const add = () => (found.phases.push({ nodes: found.phases.length ? "rest" : "1", soakSeconds: "", manual: !found.phases.length }), changed());
  return h(
    "fieldset",
    null,
    h("legend", null, "Rollout"),
    tick(found, "on", "In phases, with limits on outages and failures"),
    found.on && [
      pair(text(found, "maxUnavailable", "Out of service at most", "nodes, or 10%"), text(found, "failureLimit", "Failures tolerated", "nodes, or 10%"), select(found, "onFailure", "One more", [["stop", "stops the job"], ["pause", "pauses it"]])),
      pair(
        text(found, "label", "By groups of the label", undefined, { placeholder: "rack" }),
        found.label && select(found, "group", "Of a group", [["1", "one node at a time"], ["2", "two at a time"], ["4", "four at a time"], ["together", "all together"]]),
      ),
      phases,
      h("button", { type: "button", class: "quiet", onclick: add }, "Add a phase"),
    ],
  );
}
