// What a person can do to a job, each with what will happen in plain words. What they may not do is not offered.

import * as api from "./api.js";
import { ask } from "./dialog.js";
import { h } from "./elements.js";
import { hasWork, isFinal } from "./job_model.js";
import { choice, field } from "./parts.js";
import { may, owns } from "./session.js";
import { named, plural } from "./texts.js";

const ROLLED_OUT = ["addon", "reboot"];
const LEFT = { failed: "Failed", notBegun: "Skipped" };

/** Buttons for all that this person may do to this job now. */
export function offered(app, job, look) {
  const here = (verb) => may(verb, job.type, job.workspaceId);
  const begins = here("update") && here("create");
  const steered = ROLLED_OUT.includes(job.type);
  const running = !isFinal(job);
  const buttons = [
    running && steered && !job.rollout?.paused && (owns(job) || here("update")) && ["Pause", pause],
    running && steered && isPaused(job) && begins && ["Resume", resume],
    !running && steered && begins && leftOf(job, "both").length > 0 && ["Retry", retry],
    running && (owns(job) || here("update")) && ["Stop", stop],
    (owns(job) || here("delete")) && ["Delete", remove],
  ];
  return buttons.filter(Boolean).map(([text, act]) => h("button", { key: text, type: "button", onclick: () => act(app, job, look) }, `${text}…`));
}

/** The button at the gate of a phase, or in its soak. */
export function advance(app, job, phase, look) {
  const waits = phase.state === "AwaitingAdvance" || phase.state === "Soaking";
  if (!waits || isFinal(job) || !may("update", job.type, job.workspaceId) || !may("create", job.type, job.workspaceId)) return null;
  const next = job.rollout.phases[phase.phase];
  const question = {
    title: `Advance ${job.jobName}?`,
    lines: [
      `Phase ${phase.phase} ends now${phase.state === "Soaking" ? ", before it has soaked to its end" : ""}.`,
      next && `Phase ${next.phase} begins: ${what(job)} ${plural(next.nodes.length, "node")} (${named(next.nodes)}).`,
    ],
    act: "Advance",
    run: () => act(look, "POST", api.jobPath(job.jobId, "advance"), { expectedPhase: phase.phase }),
  };
  return h("button", { type: "button", class: "main", onclick: () => ask(app, question) }, "Advance…");
}

const what = (job) => (job.type === "reboot" ? "it reboots" : "it runs its scripts on");

function isPaused(job) {
  const last = job.conditions.findLast((one) => one.reason === "Paused" || one.reason === "Resumed");
  return Boolean(job.rollout?.paused) || last?.reason === "Paused";
}

const working = (job) => job.plan.nodes.filter(hasWork).map((node) => node.name);
const begun = (job) => job.plan.nodes.filter((node) => node.phase === "Running").map((node) => node.name);
const later = (job) => job.plan.nodes.filter((node) => node.phase === "Pending" || node.phase === "Waiting").length;

async function act(look, method, path, body) {
  await api.send(method, path, { body });
  await look();
}

function stop(app, job, look) {
  const names = begun(job);
  ask(app, {
    title: `Stop ${job.jobName}?`,
    lines: [
      names.length ? `What runs is ended on ${plural(names.length, "node")}: ${named(names)}.` : "Nothing of it runs on a node now.",
      later(job) > 0 && `${plural(later(job), "node")} will not be begun.`,
      "Clean-up runs: cordons are put back and node locks given up. The job ends as Failed, and cannot go on.",
    ],
    act: "Stop the job",
    danger: true,
    run: () => act(look, "POST", api.jobPath(job.jobId, "stop")),
  });
}

function remove(app, job) {
  ask(app, {
    title: `Delete ${job.jobName}?`,
    lines: [
      !isFinal(job) && `It still runs: it is stopped first${working(job).length ? `, on ${named(working(job))}` : ""}, and cleaned up.`,
      "It leaves the list, and its Workflow is removed with what its steps wrote. Its record stays: this page goes on to show it.",
    ],
    act: "Delete the job",
    danger: true,
    run: async () => {
      await api.send("DELETE", api.jobPath(job.jobId));
      app.go("/console/jobs");
    },
  });
}

function pause(app, job, look) {
  const names = begun(job);
  ask(app, {
    title: `Pause ${job.jobName}?`,
    lines: [
      names.length ? `${plural(names.length, "node")} in work will finish: ${named(names)}.` : "No node is in work now.",
      `Nothing new begins until a person resumes it${later(job) ? `: ${plural(later(job), "node")} wait` : ""}. Its timeout counts on.`,
    ],
    box: field("Reason", h("input", { name: "reason", placeholder: "for who reads it later" })),
    act: "Pause the job",
    run: (form) => act(look, "POST", api.jobPath(job.jobId, "pause"), form.get("reason") ? { reason: form.get("reason") } : undefined),
  });
}

function resume(app, job, look) {
  const failed = job.plan.nodes.filter((node) => node.phase === "Failed").length;
  ask(app, {
    title: `Resume ${job.jobName}?`,
    lines: [`It goes on with ${plural(later(job), "node")} that ${later(job) === 1 ? "is" : "are"} left.`, failed > 0 && `${plural(failed, "node")} failed so far: ${failed === 1 ? "that is" : "these are"} tolerated, and counting begins anew.`],
    act: "Resume the job",
    run: () => act(look, "POST", api.jobPath(job.jobId, "resume")),
  });
}

function leftOf(job, which) {
  const phases = which === "both" ? Object.values(LEFT) : [LEFT[which]];
  return job.plan.nodes.filter((node) => phases.includes(node.phase)).map((node) => node.name);
}

function retry(app, job) {
  const kinds = [["both", "failed and not begun"], ["failed", "failed"], ["notBegun", "not begun"]].filter(([which]) => leftOf(job, which).length);
  ask(app, {
    title: `Retry ${job.jobName}?`,
    lines: [
      `A new job: ${what(job)} ${plural(leftOf(job, "both").length, "node")} that failed or ${leftOf(job, "both").length === 1 ? "was" : "were"} not begun (${named(leftOf(job, "both"))}), with what it ran then.`,
      "It has no phases and no gates, and begins at once.",
    ],
    box: field("Nodes that", choice({ name: "which" }, kinds.map(([which, text]) => [which, `${text} (${leftOf(job, which).length})`]), kinds[0][0])),
    act: "Retry",
    run: async (form) => {
      const headers = { "Idempotency-Key": crypto.randomUUID() };
      const made = await api.send("POST", api.jobPath(job.jobId, "retry"), { body: { which: form.get("which") }, headers });
      app.go(`/console/jobs/${encodeURIComponent((await made.json()).jobId)}`);
    },
  });
}
