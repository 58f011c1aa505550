// A question before something is done.

import { h } from "./elements.js";
import { trouble } from "./parts.js";

let asked = null;

/**
 * Ask, with what will happen in plain words: `title`, `lines()` as things are now, `act` (the button's word), `danger`,
 * `box()` (a field, or none) and `run(form)`, which does it. Its problem is shown, and the question stays.
 */
export function ask(app, question) {
  asked = { ...question, problem: "", busy: false, before: document.activeElement };
  app.draw();
}

/** A question is of the page on which it was asked. */
export function dismiss() {
  asked = null;
}

/** Part of every page: the question that is open, if there is one. */
export function dialog(app) {
  if (!asked) return null;
  const mine = asked;
  const close = () => {
    if (asked !== mine) return;
    asked = null;
    app.draw();
    mine.before?.focus?.();
  };
  const run = async (event) => {
    event.preventDefault();
    if (mine.busy) return;
    [mine.busy, mine.problem] = [true, ""];
    app.draw();
    try {
      await mine.run(new FormData(event.target));
      close();
    } catch (problem) {
      [mine.busy, mine.problem] = [false, problem.message];
      app.draw();
    }
  };
  const made = (element) => requestAnimationFrame(() => element.showModal());
  return h(
    "dialog",
    { key: mine, "aria-labelledby": "question", onclose: close, made },
    h("form", { onsubmit: run }, h("h2", { id: "question" }, mine.title), mine.lines().filter(Boolean).map((line) => h("p", null, line)), mine.box?.(), trouble(mine.problem), h("div", { class: "actions" }, h("button", { type: "button", onclick: close, disabled: mine.busy }, "Cancel"), h("button", { class: mine.danger ? "main danger" : "main", disabled: mine.busy }, mine.act))),
  );
}
