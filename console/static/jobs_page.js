// The list of jobs, by the API's own filters; the address bar holds them, so a list can be sent to a colleague.

import * as api from "./api.js";
import { h } from "./elements.js";
import { jobTable } from "./job_table.js";
import { again } from "./looking.js";
import { choice, field, trouble } from "./parts.js";
import { number, plural } from "./texts.js";

const SECONDS = 10;
const SOON = 300;
const LIMIT = 50;
const FILTERS = ["phase", "type", "jobName", "userName", "workspaceId", "node", "since", "until", "clusterId", "sortBy", "order", "includeDeleted", "limit", "offset"];
const MORE = ["since", "until", "sortBy", "order", "includeDeleted"];
const any = (values) => [["", "any"], ...values.map((value) => [value, value])];

export function jobsPage(app) {
  const query = app.query();
  const chosen = Object.fromEntries(FILTERS.map((name) => [name, query.get(name) ?? ""]));
  let found = null;
  let problem = "";
  let timer = 0;
  let looks = 0;

  const look = async () => {
    const mine = ++looks;
    try {
      const listed = await api.get("/api/v1/opsjobs", { query: { ...chosen, limit: chosen.limit || LIMIT } });
      if (mine !== looks) return;
      [found, problem] = [listed, ""];
    } catch (error) {
      if (mine !== looks) return;
      problem = error.message;
    }
    app.draw();
  };
  const choose = (name, value) => {
    chosen[name] = value;
    if (name !== "offset") chosen.offset = "";
    app.replaceQuery(chosen);
    clearTimeout(timer);
    timer = setTimeout(look, SOON);
    app.draw();
  };
  const end = again(SECONDS, look);
  const text = (name, label, placeholder = "") => field(label, h("input", { type: "search", value: chosen[name], placeholder, oninput: (event) => choose(name, event.target.value) }));
  // The API's times are of UTC, this field's of where the person is.
  const time = (name, label) => field(label, h("input", { type: "datetime-local", value: asLocal(chosen[name]), onchange: (event) => choose(name, event.target.value ? new Date(event.target.value).toISOString() : "") }));
  const select = (name, label, values) => field(label, choice({ onchange: (event) => choose(name, event.target.value) }, values, chosen[name]));

  return {
    title: () => "Jobs",
    close: () => (end(), clearTimeout(timer), (looks = Infinity)),
    view: () => [
      h("div", { class: "heading" }, h("h1", null, "Jobs"), h("p", { class: "muted", role: "status" }, found ? `${plural(found.totalCount, "job")}${chosen.since || chosen.until ? "" : " of the last 30 days"}` : "Loading…")),
      h(
        "div",
        { class: "filters" },
        select("phase", "Phase", any(["Pending", "Running", "Succeeded", "Failed"])),
        select("type", "Type", any(["addon", "preflight", "dumplog", "reboot", "exportimage"])),
        text("jobName", "Name"),
        text("userName", "By"),
        text("workspaceId", "Workspace"),
        text("node", "Node"),
      ),
      h(
        "details",
        { class: "more", made: (element) => (element.open = MORE.some((name) => chosen[name])) },
        h("summary", null, "More filters, and the order"),
        h("div", { class: "filters" },
        time("since", "Created since"),
        time("until", "Created until"),
        select("sortBy", "Sort by", [["", "created"], ["startTime", "started"], ["endTime", "ended"], ["jobName", "name"], ["userName", "by"], ["phase", "phase"], ["type", "type"]]),
        select("order", "Order", [["", "latest first"], ["asc", "ascending"]]),
        select("includeDeleted", "Deleted", [["", "left out"], ["true", "included"]]),
        ),
      ),
      trouble(problem),
      found && (found.items.length ? jobTable(found.items) : h("p", { class: "muted" }, "No job that you may see is so.")),
      found && pages(found, Number(chosen.offset || 0), Number(chosen.limit || LIMIT), (offset) => choose("offset", offset ? String(offset) : "")),
    ],
  };
}

function asLocal(time) {
  const moment = new Date(time);
  if (!time || Number.isNaN(moment.getTime())) return "";
  return new Date(moment - moment.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
}

function pages(found, offset, limit, turn) {
  if (found.totalCount <= limit && !offset) return null;
  const last = Math.min(offset + found.items.length, found.totalCount);
  return h(
    "div",
    { class: "pages" },
    h("button", { type: "button", disabled: offset === 0, onclick: () => turn(Math.max(0, offset - limit)) }, "Newer"),
    h("span", { class: "muted" }, `${number(Math.min(offset + 1, last))}–${number(last)} of ${number(found.totalCount)}`),
    h("button", { type: "button", disabled: last >= found.totalCount, onclick: () => turn(offset + limit) }, "Older"),
  );
}
