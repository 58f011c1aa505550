// What a job would do, as the service plans it now.

import { h } from "./elements.js";
import { length, plural } from "./texts.js";

const MOST = 60;

/** `preview`: {plan} of a dry run, or {problem} with its faults, or neither while it is asked for. */
export function planPreview({ planned, problem, asking }) {
  return h(
    "section",
    { class: "plan", "aria-label": "Plan", "aria-live": "polite", "aria-busy": String(asking) },
    h("h2", null, "Plan"),
    problem ? refused(problem) : planned ? shown(planned) : h("p", { class: "muted" }, "What will happen stands here as you type."),
  );
}

function refused(problem) {
  if (!problem.faults?.length) return h("p", { class: "trouble" }, problem.message);
  return [h("p", null, "Not yet:"), h("ul", { class: "faults" }, problem.faults.map((fault) => h("li", null, h("code", null, fault.path), " ", fault.message)))];
}

function shown({ plan, rollout }) {
  const names = plan.nodes.map((node) => node.name);
  return [
    names.length > 0 && h("p", null, h("strong", null, plural(names.length, "node"))),
    names.length > 0 && h("ul", { class: "chips" }, names.slice(0, MOST).map((name) => h("li", null, name)), names.length > MOST && h("li", null, `and ${names.length - MOST} more`)),
    names.length === 0 && h("p", null, "It works on no node."),
    rollout && phases(rollout),
    plan.excluded.length > 0 && [
      h("h3", null, `${plural(plan.excluded.length, "node")} left out`),
      h("ul", { class: "plain" }, plan.excluded.slice(0, MOST).map((node) => h("li", null, h("strong", null, node.name), ` ${node.reason}`)), plan.excluded.length > MOST && h("li", null, `and ${plan.excluded.length - MOST} more`)),
    ],
  ];
}

function phases(rollout) {
  const row = (phase) => {
    const then = [phase.soakSeconds && `soak ${length(phase.soakSeconds)}`, phase.advance === "manual" && "wait for a person"].filter(Boolean);
    return h("li", null, h("strong", null, plural(phase.nodes.length, "node")), then.length ? `, then ${then.join(" and ")}` : "");
  };
  return [
    h("ol", { class: "plain" }, rollout.phases.map(row)),
    h("p", { class: "muted" }, `${rollout.atOnce} at a time; ${plural(rollout.failureLimit, "failure")} tolerated, then it is ${rollout.onFailure === "pause" ? "paused" : "stopped"}.`),
    rollout.warnings.map((text) => h("p", { class: "paused" }, text)),
  ];
}
