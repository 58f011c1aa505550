// What happened to a job, as a line of time.

import { h } from "./elements.js";
import { ago, clock } from "./texts.js";

export function conditions(found) {
  const rows = [...found].reverse().map((one) =>
    h(
      "li",
      { class: `is-${one.type}` },
      h("time", { datetime: one.lastTransitionTime, title: ago(one.lastTransitionTime) }, clock(one.lastTransitionTime)),
      h("strong", null, one.type === one.reason ? one.type : `${one.type}: ${one.reason}`),
      h("span", null, one.message),
    ),
  );
  return [h("h2", null, "What happened"), h("ol", { class: "line" }, rows)];
}
