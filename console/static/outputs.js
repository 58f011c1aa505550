// What a job left: values, links, and files that the service hands out.

import * as api from "./api.js";
import { h, isWebAddress } from "./elements.js";
import { facts } from "./parts.js";

const FILES = { preflight: ["report", "junit", "picture"], dumplog: ["archive"], addon: ["report"], reboot: ["report"], exportimage: [] };
const LONG = 400;

export function outputs(job) {
  if (!job.outputs.length) return null;
  return [
    h("h2", null, "Outputs"),
    facts(job.outputs.map((one) => [one.name, value(one.value)])),
    h("div", { class: "actions" }, (FILES[job.type] ?? []).map((name) => h("button", { type: "button", onclick: (event) => save(job, name, event.target) }, `Download ${name}`))),
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
