// Sign in by a token: it is kept in memory, and gone when the tab is.

import { h } from "./elements.js";
import { field, trouble } from "./parts.js";
import { session } from "./session.js";

export function signInPage(app, begin) {
  const submit = async (event) => {
    event.preventDefault();
    const box = event.target.elements.token;
    const token = box.value.trim();
    session.problem = token ? "" : "Paste a token first.";
    if (token) {
      try {
        await begin(token);
        return;
      } catch (problem) {
        session.problem = problem.status === 401 ? "The service does not accept this token." : problem.message;
      }
    }
    box.value = "";
    box.focus();
    app.draw();
  };
  return h(
    "form",
    { class: "sign-in", onsubmit: submit },
    h("div", { class: "brand large" }, h("span", { class: "brand-mark", "aria-hidden": "true" }), "OpsJobs"),
    h("h1", null, "Sign in"),
    field(
      "Token",
      h("input", { name: "token", type: "password", autocomplete: "off", spellcheck: "false", required: true }),
      "A token that Kubernetes issued for this service. It stays in this tab's memory and is stored nowhere.",
    ),
    trouble(session.problem),
    h("button", { class: "main" }, "Sign in"),
    h("pre", { class: "hint" }, "kubectl create token ACCOUNT --audience AUDIENCE"),
  );
}
