// Times, lengths and numbers as a person reads them.

const CLOCK = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const NUMBER = new Intl.NumberFormat();
const STEPS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

export const number = (value) => NUMBER.format(value);
export const plural = (count, one, many = `${one}s`) => `${number(count)} ${count === 1 ? one : many}`;
export const clock = (time) => (time ? CLOCK.format(new Date(time)) : "");

/** A length in its largest units. */
export function length(seconds, units = 2) {
  let left = Math.max(0, Math.round(seconds));
  const at = STEPS.findIndex(([size]) => left >= size);
  if (at < 0) return "0 s";
  const parts = STEPS.slice(at, at + units).map(([size, unit]) => {
    const count = Math.floor(left / size);
    left -= count * size;
    return count ? `${count} ${unit}` : "";
  });
  return parts.filter(Boolean).join(" ");
}

export const ago = (time) => (time ? `${length((Date.now() - new Date(time)) / 1000, 1)} ago` : "");

/** How long it took, or has taken so far. */
export const took = (start, end) => (start ? length(((end ? new Date(end) : Date.now()) - new Date(start)) / 1000) : "");

/** The first few names, and how many there are beyond. */
export function named(names, few = 5) {
  const beyond = names.length - few;
  return names.slice(0, few).join(", ") + (beyond > 0 ? ` and ${number(beyond)} more` : "");
}
