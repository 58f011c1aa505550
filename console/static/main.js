// The shell: which page an address is, who is signed in, and what stands over every page.

import * as api from "./api.js";
import { createPage } from "./create_page.js";
import { dialog, dismiss } from "./dialog.js";
import { h, render } from "./elements.js";
import { fleetPage } from "./fleet_page.js";
import { jobPage } from "./job_page.js";
import { jobsPage } from "./jobs_page.js";
import { again } from "./looking.js";
import { nodePage } from "./node_page.js";
import { creatable, session, signIn, signOut } from "./session.js";
import { signInPage } from "./sign_in_page.js";
import { moment } from "./parts.js";

const PAGES = [
  [/^\/console(?:\/|\/fleet)?$/, fleetPage, "fleet"],
  [/^\/console\/jobs$/, jobsPage, "jobs"],
  [/^\/console\/jobs\/([^/]+)$/, jobPage, "jobs"],
  [/^\/console\/nodes\/([^/]+)$/, nodePage, "fleet"],
  [/^\/console\/new(?:\/([^/]+))?$/, createPage, "new"],
];
const root = document.getElementById("console");
const app = { draw, go, replaceQuery, query: () => new URLSearchParams(location.search) };

let page = null;
let opened = 0;
let freeze = null;
let waiting = false;
let frame = 0;

/** Show what has changed, once for all changes until then. */
function draw() {
  cancelAnimationFrame(frame);
  frame = requestAnimationFrame(show);
}

function show() {
  if (waiting) return;
  const [title, body] = session.who ? [page.title(), page.view()] : ["Sign in", signInPage(app, begin)];
  document.title = `${title} · OpsJobs`;
  // Nothing that one page has made is another's.
  const content = h("main", { id: "content", tabindex: "-1", key: session.who ? opened : "sign-in" }, body);
  render(root, h("a", { class: "skip", href: "#content" }, "Skip to the content"), session.who && header(), session.who && frozen(), content, dialog(app));
}

function header() {
  const here = PAGES.find(([pattern]) => pattern.test(location.pathname))?.[2];
  const link = (name, path, text) => h("a", { href: path, "aria-current": here === name ? "page" : undefined }, text);
  return h(
    "header",
    { class: "top" },
    h("a", { class: "brand", href: "/console/fleet" }, h("span", { class: "brand-mark", "aria-hidden": "true" }), "OpsJobs"),
    h("nav", { "aria-label": "Pages" }, link("fleet", "/console/fleet", "Fleet"), link("jobs", "/console/jobs", "Jobs"), creatable().length > 0 && link("new", "/console/new", "New job")),
    h(
      "div",
      { class: "who" },
      h("span", { title: session.who.userName }, session.who.userName),
      api.hasToken() && h("button", { type: "button", class: "quiet", onclick: () => leave("") }, "Sign out"),
    ),
  );
}

function frozen() {
  if (!freeze?.frozen) return null;
  return h("p", { class: "frozen", role: "status" }, h("strong", null, "The cluster is frozen: "), `nothing new begins on any node. ${freeze.by}: ${freeze.reason} · `, moment(freeze.since));
}

/** Another page, or the same with other parameters. */
function go(address, { replace = false } = {}) {
  history[replace ? "replaceState" : "pushState"](null, "", address);
  open();
}

/** Parameters of this page in the address bar; those that are empty are left out. Nothing is loaded anew. */
function replaceQuery(values) {
  const query = new URLSearchParams(Object.entries(values).filter(([, value]) => value !== "" && value !== undefined));
  history.replaceState(null, "", query.size ? `${location.pathname}?${query}` : location.pathname);
}

function open() {
  page?.close?.();
  page = null;
  dismiss();
  opened += 1;
  if (!session.who) return draw();
  const found = PAGES.map(([pattern, make]) => [pattern.exec(location.pathname), make]).find(([match]) => match);
  page = found ? found[1](app, ...found[0].slice(1).map((part) => part && decodeURIComponent(part))) : missing();
  draw();
}

function missing() {
  return { title: () => "Not found", view: () => [h("h1", null, "There is no such page"), h("p", null, h("a", { href: "/console/fleet" }, "The fleet"))] };
}

/** Sign in and open what the address names. */
async function begin(token) {
  await signIn(token);
  open();
  document.getElementById("content")?.focus();
}

function leave(problem) {
  page?.close?.();
  page = null;
  dismiss();
  signOut(problem);
  draw();
}

function follow(event) {
  const link = event.target.closest?.("a[href]");
  if (!link || event.defaultPrevented || event.button || event.metaKey || event.ctrlKey || event.shiftKey || link.target) return;
  const target = new URL(link.href);
  if (target.origin !== location.origin || !target.pathname.startsWith("/console") || target.hash) return;
  event.preventDefault();
  go(target.pathname + target.search);
  scrollTo(0, 0);
  requestAnimationFrame(() => requestAnimationFrame(() => document.getElementById("content")?.focus({ preventScroll: true })));
}

async function lookAtFreeze() {
  if (!session.who) return;
  const before = freeze;
  freeze = await api.get("/api/v1/freeze").catch(() => freeze);
  if (freeze !== before) draw();
}

async function start() {
  waiting = true;
  // A proxy in front may have added a token: then there is nothing to paste.
  await signIn("").catch((problem) => (session.problem = problem.status === 401 ? "" : problem.message));
  waiting = false;
  api.whenUnknown(() => session.who && leave("The service does not accept this token any more."));
  document.addEventListener("click", follow);
  addEventListener("popstate", open);
  again(20, lookAtFreeze);
  open();
}

start();
