// What a cell says by its colour, and by its mark for whoever cannot tell the colours.

/** Of a machine, what matters most first. */
export const MACHINE = [
  { name: "locked", mark: "●", text: "locked by a job" },
  { name: "notready", mark: "✕", text: "NotReady" },
  { name: "unhealthy", mark: "!", text: "failed its last preflight" },
  { name: "leftcordoned", mark: "◆", text: "cordoned by a job" },
  { name: "cordoned", mark: "–", text: "cordoned by a person" },
  { name: "fine", mark: "", text: "ready" },
];

/** Of a node in the plan of a job. */
export const PLANNED = [
  { name: "Failed", mark: "✕", text: "Failed" },
  { name: "Running", mark: "●", text: "Running" },
  { name: "Waiting", mark: "–", text: "Waiting" },
  { name: "Pending", mark: "", text: "Pending" },
  { name: "Skipped", mark: "/", text: "Skipped" },
  { name: "Succeeded", mark: "✓", text: "Succeeded" },
];

const MARKS = new Map([...MACHINE, ...PLANNED].map((state) => [state.name, state.mark]));

export const markOf = (name) => MARKS.get(name) ?? "";

/** Which of the states of a machine is shown; `machineFacts` has the others, too. */
export function machineState(node) {
  if (node.lockedBy) return "locked";
  if (!node.ready) return "notready";
  if (node.lastPreflight?.phase === "Failed") return "unhealthy";
  if (node.cordoned) return node.cordonedBy === "a person" ? "cordoned" : "leftcordoned";
  return "fine";
}

/** All that is to be said of a machine, in words. */
export function machineFacts(node) {
  const facts = [];
  if (node.lockedBy) facts.push(`locked by ${jobInWords(node.lockedBy)}`);
  if (!node.ready) facts.push("NotReady");
  if (node.lastPreflight?.phase === "Failed") facts.push("failed its last preflight");
  if (node.cordoned) facts.push(`cordoned by ${jobInWords(node.cordonedBy)}`);
  return facts.length ? facts : ["ready"];
}

/** The list of nodes names two actors that are no jobs. */
export const isJob = (name) => name !== "" && name !== "another job" && name !== "a person";
export const jobInWords = (name) => (isJob(name) ? `job ${name}` : name);

/** How many there are of each state. */
export function tally(names) {
  const counts = new Map();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}
