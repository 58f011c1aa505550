// What a job left: values, links, and files that the service hands out.

import * as api from "./api.js";
import { h, isWebAddress } from "./elements.js";
import { facts, trouble } from "./parts.js";
import { reportTable } from "./report_table.js";

const FILES = { preflight: ["report", "junit", "picture"], dumplog: ["archive"], addon: ["report"], reboot: ["report"], exportimage: [] };
const LONG = 400;

/** Outputs of one job, with the report that a person has opened. */
export function outputs(app) {
  const report = { content: null, problem: "" };
  const open = async (job) => {
    try {
      report.content = await (await api.send("GET", api.jobPath(job.jobId, "outputs", "report"))).json();
      report.problem = "";
    } catch (problem) {
      report.problem = problem.message;
    }
    app.draw();
  };
  return { view: (job) => shown(job, report, () => open(job)) };
}

function shown(job, report, open) {
  if (!job.outputs.length) return null;
  const files = FILES[job.type] ?? [];
  const isReported = files.includes("report") && job.outputs.some((one) => one.name === "report");
  return [
    h("h2", null, "Outputs"),
    facts(job.outputs.map((one) => [one.name, value(one.value)])),
    h("div", { class: "actions" }, isReported && h("button", { type: "button", onclick: open }, "Show the report"), files.map((name) => h("button", { type: "button", onclick: (event) => save(job, name, event.target) }, `Download ${name}`))),
    trouble(report.problem),
    report.content && reportTable(job.type, report.content),
  ];
}

/** A link only where it says http or https; an s3:// address, and whatever else, is text. */
function value(text) {
  if (/^https?:/i.test(text) && isWebAddress(text)) return h("a", { href: text }, text);
  return text.length > LONG ? h("details", null, h("summary", null, `${text.slice(0, 80)}…`), h("pre", { tabindex: "0" }, text)) : h("span", { class: "value" }, text);
}

async function save(job, name, button) {
  button.disabled = true;
  try {
    const response = await api.send("GET", api.jobPath(job.jobId, "outputs", name));
    const link = document.createElement("a");
    const given = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "");
    link.download = given?.[1] ?? `${job.jobId}-${name}`;
    link.href = URL.createObjectURL(await response.blob());
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  } catch (problem) {
    alertBeside(button, problem.message);
  }
  button.disabled = false;
}

function alertBeside(button, text) {
  const note = document.createElement("span");
  note.className = "trouble";
  note.setAttribute("role", "alert");
  note.textContent = text;
  button.after(note);
}
