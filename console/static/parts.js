// Small parts that several pages show.

import { h } from "./elements.js";
import { ago, clock } from "./texts.js";

/** A link to another page of the console. */
export const go = (path, ...content) => h("a", { href: path }, ...content);
export const jobLink = (jobId) => go(`/console/jobs/${encodeURIComponent(jobId)}`, jobId);
export const nodeLink = (name) => go(`/console/nodes/${encodeURIComponent(name)}`, name);

export const phaseBadge = (phase) => h("span", { class: `badge is-${phase}` }, phase || "unknown");

export const moment = (time) => (time ? h("time", { datetime: time, title: clock(time) }, ago(time)) : h("span", { class: "muted" }, "–"));

/** Something went wrong; it is read out at once. */
export const trouble = (text) => text && h("p", { class: "trouble", role: "alert" }, text);

export function field(label, control, note) {
  return h("label", { class: "field" }, h("span", { class: "field-label" }, label), control, note && h("span", { class: "note" }, note));
}

/** A choice of values, with their texts: [[value, text], …]; without `chosen` it stays as the person has it. */
export function choice(props, values, chosen) {
  const held = chosen === undefined ? {} : { value: chosen };
  return h("select", { ...props, ...held }, values.map(([value, text]) => h("option", { value }, text)));
}

export function facts(rows) {
  return h("dl", { class: "facts" }, rows.filter(Boolean).map(([name, ...content]) => h("div", null, h("dt", null, name), h("dd", null, ...content))));
}

/** States with their counts: each can be left out of what is shown. */
export function legend(states, counts, shown, toggle) {
  return h(
    "div",
    { class: "legend", role: "group", "aria-label": "Show only" },
    states.map((state) =>
      h(
        "button",
        {
          key: state.name,
          type: "button",
          class: "legend-item",
          "aria-pressed": String(shown.has(state.name)),
          onclick: () => toggle(state.name),
        },
        h("span", { class: `swatch of-${state.name}`, "aria-hidden": "true" }, state.mark),
        h("span", null, state.text),
        h("span", { class: "count" }, String(counts.get(state.name) ?? 0)),
      ),
    ),
  );
}
