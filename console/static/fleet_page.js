// Every machine that the caller may see as a cell, by workspace or by a label, coloured by what matters now.

import * as api from "./api.js";
import { Cells } from "./cells.js";
import { h } from "./elements.js";
import { again } from "./looking.js";
import { choice, field, legend, trouble } from "./parts.js";
import { MACHINE, machineFacts, machineState, tally } from "./states.js";
import { plural } from "./texts.js";

const PAGE = 1000;
const SECONDS = 10;
const SHOWN_ROWS = 200;

export function fleetPage(app) {
  const query = app.query();
  const known = new Set(MACHINE.map((state) => state.name));
  const chosen = {
    by: query.get("by") ?? "workspace",
    name: query.get("name") ?? "",
    states: new Set((query.get("states") ?? "").split(",").filter((name) => known.has(name))),
    table: query.get("view") === "table",
  };
  let nodes = null;
  let problem = "";
  let cells = null;

  const look = async () => {
    try {
      const before = nodes;
      nodes = await allNodes(before);
      problem = "";
      if (nodes !== before) changed();
    } catch (error) {
      problem = error.message;
    }
    app.draw();
  };
  const changed = () => {
    app.replaceQuery({ by: chosen.by === "workspace" ? "" : chosen.by, name: chosen.name, states: [...chosen.states].join(","), view: chosen.table ? "table" : "" });
    cells?.show(groups(shown(), chosen.by));
    app.draw();
  };
  const shown = () => {
    const name = chosen.name.toLowerCase();
    return (nodes ?? []).filter((node) => (!name || node.name.includes(name)) && (!chosen.states.size || chosen.states.has(node.state)));
  };
  const toggle = (name) => {
    if (!chosen.states.delete(name)) chosen.states.add(name);
    changed();
  };
  const made = (host) => {
    cells = new Cells(host, "Nodes", (cell) => app.go(`/console/nodes/${encodeURIComponent(cell.name)}`));
    cells.show(groups(shown(), chosen.by));
  };
  const end = again(SECONDS, look);

  return {
    title: () => "Fleet",
    close: () => (end(), cells?.close()),
    view: () => {
      const found = shown();
      const labels = [...new Set([chosen.by, ...(nodes ?? []).flatMap((node) => Object.keys(node.labels))])].filter((label) => label !== "workspace").sort();
      return [
        h("div", { class: "heading" }, h("h1", null, "Fleet"), h("p", { class: "muted", role: "status" }, nodes ? told(found.length, nodes.length) : "Loading…")),
        trouble(problem),
        h(
          "div",
          { class: "filters" },
          field("Name", h("input", { type: "search", value: chosen.name, placeholder: "gpu-", oninput: (event) => ((chosen.name = event.target.value), changed()) })),
          field("By", choice({ onchange: (event) => ((chosen.by = event.target.value), changed()) }, [["workspace", "workspace"], ...labels.map((label) => [label, label])], chosen.by)),
          field("As", choice({ onchange: (event) => ((chosen.table = event.target.value === "table"), changed()) }, [["cells", "cells"], ["table", "table"]], chosen.table ? "table" : "cells")),
        ),
        legend(MACHINE, tally((nodes ?? []).map((node) => node.state)), chosen.states, toggle),
        h("div", { class: "cells", key: "cells", hidden: chosen.table, own: made }),
        chosen.table && nodeTable(found),
        nodes?.length === 0 && h("p", { class: "muted" }, "There is no node that you may see: that takes the right to list jobs, in the cluster or in a workspace."),
      ];
    },
  };
}

/** Every node with its state, from as many pages as it takes; the same list where nothing has changed. */
async function allNodes(before) {
  const page = (offset) => api.get("/api/v1/nodes", { query: { limit: PAGE, offset } });
  const first = await page(0);
  const further = [];
  for (let offset = PAGE; offset < first.totalCount; offset += PAGE) further.push(page(offset));
  const pages = [first, ...(await Promise.all(further))];
  if (before?.pages && before.pages.length === pages.length && before.pages.every((one, at) => one === pages[at])) return before;
  const nodes = pages.flatMap((one) => one.items).map((node) => ({ ...node, state: machineState(node) }));
  return Object.assign(nodes, { pages });
}

function groups(nodes, by) {
  const found = Map.groupBy(nodes, (node) => (by === "workspace" ? node.workspace : node.labels[by]) ?? "");
  const order = [...found.keys()].sort((one, other) => (one === "") - (other === "") || one.localeCompare(other, undefined, { numeric: true }));
  return order.map((name) => ({
    title: `${name || `no ${by}`} · ${found.get(name).length}`,
    cells: found.get(name).map((node) => ({ name: node.name, state: node.state, text: machineFacts(node).join(", ") })),
  }));
}

const told = (found, all) => (found === all ? plural(all, "node") : `${found} of ${plural(all, "node")}`);

function nodeTable(nodes) {
  const rows = nodes.slice(0, SHOWN_ROWS).map((node) =>
    h(
      "tr",
      { key: node.name },
      h("td", null, h("a", { href: `/console/nodes/${encodeURIComponent(node.name)}` }, node.name)),
      h("td", null, node.workspace),
      h("td", null, h("span", { class: `swatch of-${node.state}`, "aria-hidden": "true" }), " ", machineFacts(node).join(", ")),
      h("td", null, node.lastJob?.phase ? `${node.lastJob.type}: ${node.lastJob.phase}` : ""),
    ),
  );
  return [
    h("div", { class: "wide" }, h("table", null, h("thead", null, h("tr", null, ["Node", "Workspace", "Now", "Last job"].map((text) => h("th", { scope: "col" }, text)))), h("tbody", null, rows))),
    nodes.length > SHOWN_ROWS && h("p", { class: "muted" }, `The first ${SHOWN_ROWS}; narrow the list by name or state to see others.`),
  ];
}
