// What a node's steps write, as they write it.

import * as api from "./api.js";
import { h } from "./elements.js";
import { isFinal } from "./job_model.js";
import { follow } from "./streams.js";

const LINES = 1000;
const KEPT = 3000;

export function nodeOutput(app, jobId) {
  let node = "";
  let notice = "";
  let end = () => {};
  let paper = null;
  let waiting = [];

  const write = () => {
    if (!paper || !waiting.length) return;
    const atEnd = paper.scrollHeight - paper.scrollTop - paper.clientHeight < 40;
    paper.append(...waiting.splice(0).map(asElement));
    while (paper.childElementCount > KEPT) paper.firstElementChild.remove();
    if (atEnd) paper.scrollTop = paper.scrollHeight;
  };
  const onEvent = (name, data) => {
    if (name === "end") notice = "This is the end of it.";
    else waiting.push([name, data]);
    if (waiting.length === 1) requestAnimationFrame(write);
    if (name === "end") app.draw();
  };
  const close = () => {
    end();
    [node, waiting] = ["", []];
  };
  const open = (name, job) => {
    close();
    [node, notice] = [name, ""];
    const query = { node: name, tailLines: LINES, follow: isFinal(job) ? "" : "true" };
    end = follow(api.jobPath(jobId, "log"), query, onEvent, (text) => ((notice = text), app.draw()));
    app.draw();
    requestAnimationFrame(() => requestAnimationFrame(() => document.getElementById("output")?.scrollIntoView({ block: "nearest" })));
  };
  const made = (element) => {
    paper = element;
    write();
  };
  return {
    open,
    close,
    view: () =>
      node && [
        h(
          "div",
          { class: "heading", id: "output" },
          h("h2", null, `Output of ${node}`),
          h("button", { type: "button", class: "quiet", onclick: () => (close(), app.draw()) }, "Close"),
        ),
        h("pre", { class: "output", tabindex: "0", role: "log", "aria-live": "off", "aria-label": `Output of ${node}`, key: `output of ${node}`, own: made }),
        notice && h("p", { class: "muted", role: "status" }, notice),
      ],
  };
}

function asElement([name, data]) {
  const line = document.createElement("span");
  if (name === "gap") {
    line.className = "gap";
    line.textContent = `— lines are missing here: ${data.reason} —\n`;
  } else {
    line.title = `${data.step} ${data.time}`;
    line.textContent = `${data.text}\n`;
  }
  return line;
}
