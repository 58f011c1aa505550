// The phases of a rollout, with their gates.

import { advance } from "./actions.js";
import { h } from "./elements.js";
import { plural, took, length } from "./texts.js";

const WORDS = { AwaitingAdvance: "waits for a person to advance it", Soaking: "soaks", Pending: "not begun", Running: "runs", Done: "done" };

export function phases(app, model) {
  const { job } = model;
  if (!job.rollout) return null;
  const { rollout } = job;
  const ended = new Set(job.plan.nodes.filter((node) => ["Succeeded", "Failed", "Skipped"].includes(node.phase)).map((node) => node.name));
  const steps = rollout.phases.map((phase) => {
    const done = phase.nodes.filter((name) => ended.has(name)).length;
    return h(
      "li",
      { class: `phase in-${phase.state}`, "aria-current": ["Running", "Soaking", "AwaitingAdvance"].includes(phase.state) ? "step" : undefined },
      h("strong", null, `Phase ${phase.phase}`),
      h("span", null, `${done}/${plural(phase.nodes.length, "node")}`),
      h("div", { class: "bar", share: phase.nodes.length ? done / phase.nodes.length : 1 }),
      h("span", { class: "muted" }, said(phase)),
      advance(app, model, phase),
    );
  });
  return [
    h("h2", null, "Phases"),
    rollout.paused && h("p", { class: "paused", role: "status" }, `Paused: ${rollout.paused}`),
    h("ol", { class: "phases" }, steps),
    h("p", { class: "muted" }, limits(rollout)),
  ];
}

function said(phase) {
  const state = WORDS[phase.state] ?? phase.state;
  if (phase.state === "Soaking") return `${state} for ${length(phase.soakSeconds)}, since ${took(phase.soakStart)}`;
  const then = [phase.soakSeconds ? `soaks ${length(phase.soakSeconds)}` : "", phase.advance === "manual" ? "gate" : ""].filter(Boolean);
  return phase.state !== "Done" && phase.state !== "AwaitingAdvance" && then.length ? `${state} · then ${then.join(", ")}` : state;
}

function limits(rollout) {
  const parts = [`${rollout.atOnce} at a time`, `${plural(rollout.failureLimit, "node")} may fail, then ${rollout.onFailure}`];
  if (rollout.maxUnavailable) parts.push(`at most ${plural(rollout.maxUnavailable, "node")} out of service`);
  if (rollout.topology) parts.push(rollout.topology.together ? `${rollout.topology.label}: a group together` : `${rollout.topology.label}: ${rollout.topology.maxPerGroup} of a group`);
  return parts.join(" · ");
}
