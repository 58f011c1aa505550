// A form for each type of job, beside the plan that it comes to and the lines that would do the same.

import * as api from "./api.js";
import { asCommand, asCurl } from "./command_lines.js";
import { ask } from "./dialog.js";
import { KINDS, WHAT, bodyOf, newDraft } from "./draft.js";
import { h } from "./elements.js";
import { formFields } from "./form_fields.js";
import { go } from "./parts.js";
import { planPreview } from "./plan_preview.js";
import { creatable } from "./session.js";
import { named, plural } from "./texts.js";

const PAUSE = 350;
const DOES = {
  addon: (nodes) => `Its scripts run as root on ${nodes}.`,
  preflight: (nodes) => `Its check runs on ${nodes}, all at the same time.`,
  reboot: (nodes) => `Pods are evicted from ${nodes}, and the machines reboot.`,
  dumplog: () => "The logs of the workload's pods are gathered in one archive.",
  exportimage: () => "The workload's image is copied to the registry.",
};

export function createPage(app, type) {
  const types = Object.keys(WHAT).filter((one) => creatable().includes(one));
  if (!type || !types.includes(type)) return chooser(type, types);
  const draft = newDraft(type, app.query());
  const preview = { planned: null, problem: null, asking: false };
  const templates = {};
  let timer = 0;
  let asked = null;

  const look = async () => {
    asked?.abort();
    asked = new AbortController();
    const mine = asked;
    preview.asking = true;
    app.draw();
    try {
      const response = await api.send("POST", "/api/v1/opsjobs", { query: { dryRun: "true" }, body: bodyOf(draft), signal: mine.signal });
      Object.assign(preview, { planned: await response.json(), problem: null });
    } catch (problem) {
      if (mine.signal.aborted) return;
      Object.assign(preview, { planned: null, problem });
    }
    preview.asking = false;
    app.draw();
  };
  const changed = () => {
    // What is shown is always the plan of what is filled in.
    asked?.abort();
    preview.asking = true;
    clearTimeout(timer);
    timer = setTimeout(look, PAUSE);
    app.draw();
  };
  const submit = (event) => {
    event.preventDefault();
    if (preview.planned && !preview.asking) confirm(app, bodyOf(draft), preview.planned);
  };
  if (type === "addon") loadTemplates(templates).then(app.draw);
  look();

  return {
    title: () => `New ${type}`,
    close: () => (clearTimeout(timer), asked?.abort()),
    view: () => {
      const body = bodyOf(draft);
      return [
        h("p", { class: "trail" }, go("/console/new", "New job")),
        h("div", { class: "heading" }, h("h1", null, `New ${type}`), h("p", { class: "muted" }, WHAT[type])),
        h(
          "form",
          { class: "create", onsubmit: submit },
          h("div", { class: "form" }, formFields(draft, templates, changed)),
          h(
            "div",
            { class: "beside" },
            planPreview(preview),
            h("button", { class: "main", disabled: !preview.planned || preview.asking }, "Create the job…"),
            h("details", null, h("summary", null, "As a command"), h("pre", { tabindex: "0", class: "line-of-shell" }, asCommand(body))),
            h("details", null, h("summary", null, "As curl"), h("pre", { tabindex: "0", class: "line-of-shell" }, asCurl(body, location.origin))),
          ),
        ),
      ];
    },
  };
}

function chooser(type, types) {
  return {
    title: () => "New job",
    view: () => [
      h("h1", null, "New job"),
      type && h("p", { class: "trouble" }, KINDS[type] ? `You may not create a job of the type ${type}.` : "There is no such type of job."),
      types.length === 0 && h("p", { class: "muted" }, "You may create no job: that takes the right to create one, in the cluster or in a workspace."),
      h("ul", { class: "types" }, types.map((one) => h("li", null, h("a", { href: `/console/new/${one}` }, h("strong", null, one), h("span", { class: "muted" }, WHAT[one]))))),
    ],
  };
}

async function loadTemplates(templates) {
  for (const [kind, path] of [["addon.template", "/api/v1/addontemplates"], ["node.template", "/api/v1/nodetemplates"]]) {
    // Without the list their names can still be typed.
    templates[kind] = await api.get(path).then((found) => found.items, () => []);
  }
}

function confirm(app, body, planned) {
  const names = planned.plan.nodes.map((node) => node.name);
  const key = api.newKey();
  const nodes = `${plural(names.length, "node")} (${named(names)})`;
  ask(app, {
    title: `Create ${body.name}?`,
    lines: () => [
      DOES[body.type](nodes),
      planned.plan.excluded.length > 0 && `${plural(planned.plan.excluded.length, "node")} left out of it.`,
      planned.rollout && `It begins with ${plural(planned.rollout.phases[0].nodes.length, "node")}, ${planned.rollout.atOnce} at a time.`,
      "If the plan has become another meanwhile, nothing is created.",
    ],
    act: "Create the job",
    danger: body.type === "reboot",
    run: async () => {
      const headers = { "Idempotency-Key": key };
      const made = await api.send("POST", "/api/v1/opsjobs", { query: { expectedPlan: planned.planDigest }, body, headers });
      app.go(`/console/jobs/${encodeURIComponent((await made.json()).jobId)}`);
    },
  });
}
