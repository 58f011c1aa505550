// One job as it is now: read once, then kept by its events.

import * as api from "./api.js";
import { follow } from "./streams.js";

const SETTLED = 1000;

/** Calls `changed()` after each change of `model.job`, `model.problem` or `model.notice`; `close()` ends that. */
export function followed(jobId, changed) {
  const model = { job: null, problem: "", notice: "", close, look };
  let closed = false;
  let timer = 0;
  let heard = 0;
  let end = () => {};

  async function look() {
    clearTimeout(timer);
    timer = 0;
    const before = heard;
    try {
      const job = await api.get(api.jobPath(jobId));
      if (closed) return;
      [model.job, model.problem] = [{ ...job, plan: { ...job.plan, nodes: [...job.plan.nodes] } }, ""];
      model.places = new Map(job.plan.nodes.map((node, at) => [node.name, at]));
    } catch (problem) {
      model.problem = problem.message;
    }
    // What was heard while this was on its way may be newer than this.
    if (heard !== before) soon();
    changed();
  }

  function soon() {
    timer ||= setTimeout(look, SETTLED);
  }

  function onEvent(name, data) {
    const { job } = model;
    heard += 1;
    if (name === "node") {
      const at = model.places.get(data.name);
      if (at !== undefined) job.plan.nodes[at] = data;
      // The phases of a rollout are no events of their own.
      if (job.rollout) soon();
    } else if (name === "phase" || name === "progress") {
      Object.assign(job, data);
    } else if (name === "condition" || name === "end") {
      soon();
    }
    changed();
  }

  function close() {
    closed = true;
    clearTimeout(timer);
    end();
  }

  look().then(() => {
    if (closed || !model.job || isFinal(model.job)) return;
    end = follow(api.jobPath(jobId, "events"), {}, onEvent, (text) => ((model.notice = text), changed()));
  });
  return model;
}

export const isFinal = (job) => job.phase === "Succeeded" || job.phase === "Failed";
export const hasWork = (node) => node.phase === "Running" || node.phase === "Waiting";
export const progressOf = (job) => {
  const [done, all] = job.progress.split("/").map(Number);
  return { done, all, share: all ? done / all : 0 };
};
