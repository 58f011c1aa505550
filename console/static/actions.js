// What a person can do to a job, each with what will happen in plain words. What they may not do is not offered.

import * as api from "./api.js";
import { ask } from "./dialog.js";
import { ROLLED_OUT } from "./draft.js";
import { h } from "./elements.js";
import { isFinal } from "./job_model.js";
import { choice, field } from "./parts.js";
import { may, owns } from "./session.js";
import { named, plural } from "./texts.js";

const LEFT = { failed: ["Failed"], notBegun: ["Skipped"], both: ["Failed", "Skipped"] };

/** Buttons for all that this person may do to this job now. */
export function offered(app, model) {
  const { job } = model;
  const here = (verb) => may(verb, job.type, job.workspaceId);
  const steered = ROLLED_OUT.includes(job.type);
  const running = !isFinal(job);
  const ends = owns(job) || here("update");
  const buttons = [
    running && steered && ends && !isPaused(job) && ["Pause", pause],
    running && steered && begins(job) && isPaused(job) && ["Resume", resume],
    !running && steered && begins(job) && leftOf(job, "both").length > 0 && ["Retry", retry],
    running && ends && ["Stop", stop],
    (owns(job) || here("delete")) && ["Delete", remove],
  ];
  return buttons.filter(Boolean).map(([text, act]) => h("button", { key: text, type: "button", onclick: () => act(app, model) }, `${text}…`));
}

/** The button at the gate of a phase, or in its soak. */
export function advance(app, model, phase) {
  const { job } = model;
  const soaks = phase.state === "Soaking";
  if ((!soaks && phase.state !== "AwaitingAdvance") || isFinal(job) || !begins(job)) return null;
  const next = job.rollout.phases[phase.phase];
  const question = {
    title: `Advance ${job.jobName}?`,
    lines: () => [
      `Phase ${phase.phase} ends now${soaks ? ", before it has soaked to its end" : ""}.`,
      next && `Phase ${next.phase} begins: it ${does(job)} ${plural(next.nodes.length, "node")} (${named(next.nodes)}).`,
    ],
    act: "Advance",
    run: () => act(model, "advance", { expectedPhase: phase.phase }),
  };
  return h("button", { type: "button", class: "main", onclick: () => ask(app, question) }, "Advance…");
}

const begins = (job) => may("update", job.type, job.workspaceId) && may("create", job.type, job.workspaceId);
const does = (job) => (job.type === "reboot" ? "reboots" : "runs its scripts on");
const nodesIn = (job, ...phases) => job.plan.nodes.filter((node) => phases.includes(node.phase)).map((node) => node.name);
const later = (job) => nodesIn(job, "Pending", "Waiting").length;
const leftOf = (job, which) => nodesIn(job, ...LEFT[which]);

/** Its own condition says so for a job without a rollout. */
function isPaused(job) {
  const last = job.conditions.findLast((one) => one.reason === "Paused" || one.reason === "Resumed");
  return Boolean(job.rollout?.paused) || last?.reason === "Paused";
}

async function act(model, what, body) {
  await api.send("POST", api.jobPath(model.job.jobId, what), { body });
  await model.look();
}

function stop(app, model) {
  ask(app, {
    title: `Stop ${model.job.jobName}?`,
    lines: () => {
      const [names, left] = [nodesIn(model.job, "Running"), later(model.job)];
      return [
        names.length ? `What runs is ended on ${plural(names.length, "node")}: ${named(names)}.` : "Nothing of it runs on a node now.",
        left > 0 && `${plural(left, "node")} will not be begun.`,
        "Clean-up runs: cordons are put back and node locks given up. The job ends as Failed, and cannot go on.",
      ];
    },
    act: "Stop the job",
    danger: true,
    run: () => act(model, "stop"),
  });
}

function remove(app, model) {
  ask(app, {
    title: `Delete ${model.job.jobName}?`,
    lines: () => {
      const names = nodesIn(model.job, "Running");
      return [
        !isFinal(model.job) && `It still runs: it is stopped first${names.length ? `, on ${named(names)}` : ""}, and cleaned up.`,
        "It leaves the list, and its Workflow is removed with what its steps wrote. Its record stays: this page goes on to show it.",
      ];
    },
    act: "Delete the job",
    danger: true,
    run: async () => {
      await api.send("DELETE", api.jobPath(model.job.jobId));
      app.go("/console/jobs");
    },
  });
}

function pause(app, model) {
  ask(app, {
    title: `Pause ${model.job.jobName}?`,
    lines: () => {
      const [names, left] = [nodesIn(model.job, "Running"), later(model.job)];
      return [
        names.length ? `${plural(names.length, "node")} in work will finish: ${named(names)}.` : "No node is in work now.",
        `Nothing new begins until a person resumes it${left ? `; ${plural(left, "node")} wait` : ""}. Its timeout counts on.`,
      ];
    },
    box: () => field("Reason", h("input", { name: "reason", placeholder: "for who reads it later" })),
    act: "Pause the job",
    run: (form) => act(model, "pause", form.get("reason") ? { reason: form.get("reason") } : undefined),
  });
}

function resume(app, model) {
  ask(app, {
    title: `Resume ${model.job.jobName}?`,
    lines: () => {
      const failed = nodesIn(model.job, "Failed").length;
      return [
        `It goes on with the nodes that are left: ${later(model.job)}.`,
        failed > 0 && `Failed so far: ${plural(failed, "node")}. They are tolerated, and counting begins anew.`,
      ];
    },
    act: "Resume the job",
    run: () => act(model, "resume"),
  });
}

function retry(app, model) {
  const { job } = model;
  const names = leftOf(job, "both");
  const kinds = [["both", "failed or were not begun"], ["failed", "failed"], ["notBegun", "were not begun"]].filter(([which]) => leftOf(job, which).length);
  const key = api.newKey();
  ask(app, {
    title: `Retry ${job.jobName}?`,
    lines: () => [
      `A new job: it ${does(job)} what is left, ${plural(names.length, "node")} (${named(names)}), with what it ran then.`,
      "It has no phases and no gates, and begins at once.",
    ],
    box: () => field("Nodes that", choice({ name: "which" }, kinds.map(([which, text]) => [which, `${text} (${leftOf(job, which).length})`]))),
    act: "Retry",
    run: async (form) => {
      const asked = { body: { which: form.get("which") }, headers: { "Idempotency-Key": key } };
      const made = await api.send("POST", api.jobPath(job.jobId, "retry"), asked);
      app.go(`/console/jobs/${encodeURIComponent((await made.json()).jobId)}`);
    },
  });
}
