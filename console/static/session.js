// Who the caller is, and what they may do: what they may not is not offered.

import * as api from "./api.js";

export const session = { who: null, problem: "" };

/** Sign in with a token; without one as whom a proxy in front of the service names. Raises Problem. */
export async function signIn(token) {
  api.useToken(token);
  try {
    session.who = await api.get("/api/v1/whoami");
  } catch (problem) {
    api.useToken("");
    throw problem;
  }
}

export function signOut(problem = "") {
  api.useToken("");
  session.who = null;
  session.problem = problem;
}

/** A right in the workspace, or in the cluster; without a workspace: in the cluster. */
export function may(verb, type, workspaceId) {
  return (session.who?.rights ?? []).some(
    (right) => right.verb === verb && right.type === type && (right.cluster || (workspaceId && right.workspaces.includes(workspaceId))),
  );
}

/** The types of which they may create jobs somewhere. */
export function creatable() {
  const rights = session.who?.rights ?? [];
  return rights.filter((right) => right.verb === "create").map((right) => right.type);
}

export const owns = (job) => session.who?.userId === job.userId;
