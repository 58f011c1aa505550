// Reports as people read them: what each check found, what each script did, how each node came back.

import { h } from "./elements.js";
import { nodeLink } from "./parts.js";
import { length, plural } from "./texts.js";

const GOOD = ["pass", "succeeded"];
const AS_PHASE = { pass: "Succeeded", succeeded: "Succeeded", fail: "Failed", failed: "Failed", error: "Waiting", skip: "Skipped", skipped: "Skipped" };
const COLUMNS = 12;
const ROWS = 300;

/** The report of a job of that type, the nodes that are not well first. */
export function reportTable(type, content) {
  const nodes = [...(Array.isArray(content) ? content : (content.nodes ?? []))];
  nodes.sort((one, other) => GOOD.includes(result(one)) - GOOD.includes(result(other)));
  const [columns, rows] = { preflight, addon, reboot }[type](nodes.slice(0, ROWS));
  const head = h("tr", null, columns.map((text) => h("th", { scope: "col" }, text)));
  const body = rows.map((cells) => h("tr", null, cells.map((cell) => h("td", { class: "message" }, cell))));
  return [
    h("h2", null, "Report"),
    h("div", { class: "wide report", tabindex: "0", role: "region", "aria-label": "Report" }, h("table", null, h("thead", null, head), h("tbody", null, body))),
    nodes.length > ROWS && h("p", { class: "muted" }, `The first ${ROWS} of ${plural(nodes.length, "node")}; download the report for all.`),
  ];
}

const result = (node) => node.status ?? node.result;
const took = (seconds) => (typeof seconds === "number" ? length(seconds) : "");

function word(text) {
  return text && h("span", { class: "state" }, h("span", { class: `dot of-${AS_PHASE[text] ?? "Pending"}`, "aria-hidden": "true" }), text);
}

function preflight(nodes) {
  const checks = [...new Set(nodes.flatMap((node) => node.checks.map((check) => check.name)))].slice(0, COLUMNS);
  const rows = nodes.map((node) => [nodeLink(node.name), word(node.status), ...checks.map((name) => found(node.checks.find((check) => check.name === name))), node.reason, took(node.seconds)]);
  return [["Node", "Result", ...checks, "Why", "Took"], rows];
}

function found(check) {
  if (!check) return "";
  const measured = check.value === null ? "" : `${check.value} ${check.unit}`;
  const said = [measured, GOOD.includes(check.status) ? "" : check.reason, check.suggestedAction && `→ ${check.suggestedAction}`];
  return [word(check.status), " ", h("span", { class: "muted" }, said.filter(Boolean).join(" "))];
}

function addon(nodes) {
  const rows = nodes.flatMap((node) =>
    (node.templates?.length ? node.templates : [{ name: "", result: node.result, lastLines: node.message }]).map((one) => [nodeLink(node.node), one.name, word(one.result), String(one.lastLines || one.message || "").trim().split("\n").pop()]),
  );
  return [["Node", "Template", "Result", "Last line"], rows];
}

function reboot(nodes) {
  const rows = nodes.map((node) => [nodeLink(node.node), word(node.result), took(node.secondsDown), took(node.secondsToReady), String(node.evicted?.length ?? ""), node.message]);
  return [["Node", "Result", "Down", "To Ready", "Evicted", "Message"], rows];
}
