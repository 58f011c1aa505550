// A client as a team would write it: the types are generated from docs/openapi.json, the calls are openapi-fetch's.
import createClient from "openapi-fetch";
import type { components, paths } from "./openapi.js";

declare const process: { env: Record<string, string> };

const api = createClient<paths>({
  baseUrl: process.env.OPSJOBS_URL,
  headers: { Authorization: `Bearer ${process.env.OPSJOBS_TOKEN}` },
});

const reboot: components["schemas"]["RebootRequest"] = {
  name: "from-typescript",
  type: "reboot",
  inputs: [{ name: "node", value: "n1" }],
};

const created = await api.POST("/api/v1/opsjobs", { body: reboot });
if (!created.data || !("jobId" in created.data)) throw new Error(created.error?.errorMessage);
const path = { job_id: created.data.jobId };

const listed = await api.GET("/api/v1/opsjobs", { params: { query: { type: "reboot", limit: 10 } } });
const shown = await api.GET("/api/v1/opsjobs/{job_id}", { params: { path } });
const stopped = await api.POST("/api/v1/opsjobs/{job_id}/stop", { params: { path }, parseAs: "text" });
const deleted = await api.DELETE("/api/v1/opsjobs/{job_id}", { params: { path }, parseAs: "text" });
const refused = await api.POST("/api/v1/opsjobs", { body: { ...reboot, inputs: [{ name: "node", value: "n9" }] } });

console.log(
  JSON.stringify({
    created: path.job_id,
    listed: listed.data?.items.map((item) => item.jobId),
    shown: shown.data?.plan.nodes.map((node) => node.name),
    statuses: [stopped, deleted, refused].map((answer) => answer.response.status),
    refused: refused.error?.errors?.map((fault) => fault.errorCode),
  }),
);
