// Look again every few seconds, and never while nobody can see it.

/** Calls `look` now and then every `seconds`; returns what ends that. A look that is under way is waited for. */
export function again(seconds, look) {
  let ended = false;
  let timer = 0;
  let busy = false;
  const run = async () => {
    clearTimeout(timer);
    if (ended || busy) return;
    if (!document.hidden) {
      busy = true;
      await look();
      busy = false;
    }
    if (!ended && !document.hidden) timer = setTimeout(run, seconds * 1000);
  };
  document.addEventListener("visibilitychange", run);
  run();
  return () => {
    ended = true;
    clearTimeout(timer);
    document.removeEventListener("visibilitychange", run);
  };
}
