// Keeps a page in step with its job: what the job's events tell starts requests of htmx, `job-state` and so on.
// A browser has few connections for a server, so a page holds one only while it is looked at.
"use strict";

const KINDS = ["state", "asked", "progress", "condition"];
let source = null;

function follow() {
  source?.close();
  const job = document.querySelector("[data-events]");
  source = job && !document.hidden ? new EventSource(job.dataset.events) : null;
  for (const kind of KINDS) source?.addEventListener(kind, () => htmx.trigger(document.body, `job-${kind}`));
}

document.addEventListener("DOMContentLoaded", follow);
document.addEventListener("htmx:afterSettle", (event) => event.target.id === "job" && follow());
document.addEventListener("visibilitychange", () => {
  if (document.hidden) source?.close();
  else htmx.trigger("#job", "seen");
});
