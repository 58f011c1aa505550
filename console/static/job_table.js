// Jobs as rows.

import { h } from "./elements.js";
import { go, moment, phaseBadge } from "./parts.js";
import { took } from "./texts.js";

const COLUMNS = ["Phase", "Name", "Type", "Workspace", "By", "Created", "Took"];

export function jobTable(jobs) {
  const rows = jobs.map((job) =>
    h(
      "tr",
      { key: job.jobId, class: job.deletionTime ? "gone" : undefined },
      h("td", null, phaseBadge(job.phase)),
      h("td", { class: "name" }, go(`/console/jobs/${encodeURIComponent(job.jobId)}`, job.jobName), h("span", { class: "muted small" }, job.jobId)),
      h("td", null, job.type),
      h("td", null, job.workspaceId),
      h("td", { class: "by", title: job.userName }, job.userName),
      h("td", { class: "short" }, moment(job.creationTime)),
      h("td", { class: "short" }, took(job.startTime, job.endTime)),
    ),
  );
  const head = h("tr", null, COLUMNS.map((text) => h("th", { scope: "col" }, text)));
  return h("div", { class: "wide" }, h("table", null, h("thead", null, head), h("tbody", null, rows)));
}
