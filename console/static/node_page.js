// One machine: what holds for it now, and what happened to it.

import * as api from "./api.js";
import { h } from "./elements.js";
import { jobTable } from "./job_table.js";
import { again } from "./looking.js";
import { facts, go, jobLink, moment, trouble } from "./parts.js";
import { may } from "./session.js";
import { isJob, machineFacts, machineState, markOf } from "./states.js";

const SECONDS = 10;
const HISTORY = 50;
/** Left out, a list begins 30 days ago. */
const BEGINNING = "1970-01-01T00:00:00Z";

export function nodePage(app, name) {
  let node = null;
  let jobs = null;
  let problem = "";
  const look = async () => {
    try {
      const [found, listed] = await Promise.all([
        api.get("/api/v1/nodes", { query: { name, limit: 1000 } }),
        api.get("/api/v1/opsjobs", { query: { node: name, limit: HISTORY, since: BEGINNING } }),
      ]);
      node = found.items.find((one) => one.name === name) ?? null;
      jobs = listed;
      problem = node ? "" : "There is no such node among those that you may see.";
    } catch (error) {
      problem = error.message;
    }
    app.draw();
  };
  const end = again(SECONDS, look);
  return {
    title: () => name,
    close: end,
    view: () => [
      h("p", { class: "trail" }, go("/console/fleet", "Fleet")),
      h("div", { class: "heading" }, h("h1", null, name), node && state(node)),
      trouble(problem),
      node && now(node),
      node && offers(node),
      jobs && h("h2", null, "History"),
      jobs && (jobs.items.length ? jobTable(jobs.items) : h("p", { class: "muted" }, "No job that you may see had this node in its plan.")),
      jobs && jobs.totalCount > jobs.items.length && h("p", null, go(`/console/jobs?node=${encodeURIComponent(name)}&since=${BEGINNING}`, `All ${jobs.totalCount} jobs of this node`)),
    ],
  };
}

function state(node) {
  const name = machineState(node);
  return h("span", { class: "state" }, h("span", { class: `swatch of-${name}`, "aria-hidden": "true" }, markOf(name)), machineFacts(node).join(", "));
}

function now(node) {
  const who = (text) => (isJob(text) ? jobLink(text) : text);
  return facts([
    ["Kubernetes", node.ready ? "Ready" : "NotReady"],
    ["Locked by", node.lockedBy ? who(node.lockedBy) : "no job"],
    ["Cordoned by", node.cordoned ? who(node.cordonedBy) : "not cordoned"],
    ["Last preflight", ...last(node.lastPreflight)],
    ["Last job", ...last(node.lastJob)],
    ["Workspace", node.workspace || "none"],
    ["Labels", h("ul", { class: "chips" }, Object.entries(node.labels).map(([key, value]) => h("li", null, value ? `${key}=${value}` : key)))],
  ]);
}

function last(job) {
  if (!job) return ["none"];
  if (!isJob(job.jobId)) return [job.jobId];
  return [`${job.type}: ${job.phase}, `, moment(job.time), " · ", jobLink(job.jobId)];
}

function offers(node) {
  const types = ["preflight", "addon", "reboot"].filter((type) => may("create", type, node.workspace));
  return types.length > 0 && h("div", { class: "actions" }, types.map((type) => h("a", { class: "button", href: `/console/new/${type}?node=${encodeURIComponent(node.name)}` }, `New ${type}…`)));
}
