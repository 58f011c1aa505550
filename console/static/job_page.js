// One job: where it is, what became of each node, what it writes, what happened, what it left, and what can be done.

import { offered } from "./actions.js";
import { Cells } from "./cells.js";
import { conditions } from "./conditions.js";
import { h } from "./elements.js";
import { followed, isFinal, progressOf } from "./job_model.js";
import { nodeOutput } from "./node_output.js";
import { outputs } from "./outputs.js";
import { facts, go, jobLink, legend, moment, nodeLink, phaseBadge, trouble } from "./parts.js";
import { phases } from "./phases.js";
import { PLANNED, markOf, tally } from "./states.js";
import { plural, took } from "./texts.js";

const FEW_ROWS = 20;
const MOST_ROWS = 500;
const ORDER = new Map(PLANNED.map((state, at) => [state.name, at]));

export function jobPage(app, jobId) {
  const shown = new Set();
  let most = FEW_ROWS;
  let asJson = false;
  let cells = null;
  let frame = 0;
  const model = followed(jobId, () => {
    app.draw();
    cancelAnimationFrame(frame);
    frame = requestAnimationFrame(fill);
  });
  const output = nodeOutput(app, jobId);
  const left = outputs(app);
  const seen = () => model.job.plan.nodes.filter((node) => !shown.size || shown.has(node.phase));
  const fill = () => model.job && cells?.show([{ title: "", cells: seen().map((node) => ({ name: node.name, state: node.phase, text: node.message ? `${node.phase}: ${node.message}` : node.phase })) }]);
  const toggle = (name) => {
    if (!shown.delete(name)) shown.add(name);
    fill();
    app.draw();
  };
  const made = (host) => {
    cells = new Cells(host, "Nodes of the plan", (cell) => output.open(cell.name, model.job));
    fill();
  };
  return {
    title: () => model.job?.jobName ?? jobId,
    close: () => (model.close(), output.close(), cells?.close(), cancelAnimationFrame(frame)),
    view: () => {
      const { job } = model;
      const trail = h("p", { class: "trail" }, go("/console/jobs", "Jobs"));
      if (!job) return [trail, h("h1", null, jobId), model.problem ? trouble(model.problem) : h("p", { class: "muted" }, "Loading…")];
      return [
        trail,
        h("div", { class: "heading" }, h("h1", null, job.jobName), phaseBadge(job.phase), job.rollout?.paused && h("span", { class: "badge is-paused" }, "Paused")),
        trouble(model.problem),
        model.notice && h("p", { class: "muted", role: "status" }, model.notice),
        progress(job),
        h("div", { class: "actions" }, offered(app, model)),
        about(job),
        phases(app, model),
        job.plan.nodes.length > 0 && [
          h("h2", null, "Nodes"),
          legend(PLANNED, tally(job.plan.nodes.map((node) => node.phase)), shown, toggle),
          h("div", { class: "cells", key: "cells", own: made }),
          output.view(),
          nodeTable(seen(), most, (name) => output.open(name, job), () => ((most = MOST_ROWS), app.draw())),
        ],
        excluded(job.plan.excluded),
        left.view(job),
        conditions(job.conditions),
        h("details", { ontoggle: (event) => ((asJson = event.target.open), app.draw()) }, h("summary", null, "As JSON"), asJson && h("pre", { tabindex: "0" }, JSON.stringify(job, null, 2))),
      ];
    },
  };
}

function progress(job) {
  const { done, all, share } = progressOf(job);
  const bar = h("div", { class: `bar is-${job.phase}`, role: "progressbar", "aria-valuenow": String(done), "aria-valuemin": "0", "aria-valuemax": String(all), "aria-label": "Nodes that are through", share });
  return all > 0 && h("div", { class: "progress" }, bar, h("span", null, `${done} of ${plural(all, "node")}`));
}

function about(job) {
  const values = job.inputs.map((one) => h("li", null, `${one.name}=${one.value}`));
  return facts([
    ["Id", h("code", null, job.jobId)],
    ["Type", job.type],
    job.workspaceId && ["Workspace", job.workspaceId],
    ["By", job.userName],
    ["Created", moment(job.creationTime)],
    job.startTime && [isFinal(job) ? "Took" : "Runs for", took(job.startTime, job.endTime)],
    job.timeoutSecond > 0 && ["Timeout", plural(job.timeoutSecond, "second")],
    values.length > 0 && ["Inputs", h("ul", { class: "chips" }, values)],
    job.image && ["Image", h("code", null, job.image)],
    job.batchCount > 1 && ["At a time", String(job.batchCount)],
    job.retryOf && ["Retry of", jobLink(job.retryOf)],
    job.links?.argo && ["Argo", h("a", { href: job.links.argo }, "Workflow")],
    job.deletionTime && ["Workflow removed", moment(job.deletionTime)],
  ]);
}

function nodeTable(nodes, most, open, all) {
  const told = [...nodes].sort((one, other) => ORDER.get(one.phase) - ORDER.get(other.phase)).slice(0, most);
  const rows = told.map((node) =>
    h(
      "tr",
      { key: node.name },
      h("td", null, nodeLink(node.name)),
      h("td", null, h("span", { class: "state" }, h("span", { class: `swatch of-${node.phase}`, "aria-hidden": "true" }, markOf(node.phase)), node.phase)),
      h("td", { class: "short" }, took(node.start, node.end)),
      h("td", { class: "message" }, node.message),
      h("td", null, node.start && h("button", { type: "button", class: "quiet", "aria-label": `Output of ${node.name}`, onclick: () => open(node.name) }, "Output")),
    ),
  );
  const head = h("tr", null, ["Node", "Phase", "Took", "Message", "Output"].map((text) => h("th", { scope: "col" }, text)));
  return [
    h("div", { class: "wide" }, h("table", null, h("thead", null, head), h("tbody", null, rows))),
    nodes.length > most && h("p", { class: "muted" }, `${most} of ${nodes.length}, failed ones first. `, most < MOST_ROWS ? h("button", { type: "button", class: "quiet", onclick: all }, "Show all") : "Choose a phase above to see others."),
  ];
}

function excluded(nodes) {
  if (!nodes.length) return null;
  const rows = nodes.map((node) => h("li", { key: node.name }, h("strong", null, node.name), ` ${node.reason}`));
  return h("details", null, h("summary", null, `${plural(nodes.length, "node")} left out of the plan`), h("ul", { class: "plain" }, rows));
}
