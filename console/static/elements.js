// Descriptions of elements, and how the page becomes what they describe. Every text becomes a text node, and only the
// attributes below can be set: there is no way here from what others wrote to markup, to a script or to a style.

const ATTRIBUTE = /^(class|id|for|role|title|type|name|tabindex|placeholder|autocomplete|spellcheck|datetime|lang|min|max|step|rows|list|colspan|scope|download|width|height|aria-[a-z]+|data-[a-z]+)$/;
const PROPERTY = new Set(["value", "checked", "disabled", "open", "selected", "hidden", "required", "readOnly", "multiple"]);

/** An element: `key` tells it from others beside it; `made(element)` is called once; `own(element)`, too, and fills it. */
export function h(tag, props, ...children) {
  return { tag, props: props ?? {}, children: flat(children) };
}

/** Make the children of an element what is described, changing no more than differs. */
export function render(parent, ...children) {
  arrange(parent, flat(children));
}

/** Whether a link may lead there: only by http or https, whoever wrote it. */
export function isWebAddress(text) {
  try {
    return ["http:", "https:"].includes(new URL(text, location.href).protocol);
  } catch {
    return false;
  }
}

function flat(children) {
  return children.flat(Infinity).filter((one) => one !== null && one !== undefined && one !== false && one !== "");
}

function arrange(parent, wanted) {
  const keyed = new Map([...parent.childNodes].filter((node) => node.opsKey !== undefined).map((node) => [node.opsKey, node]));
  const keys = new Set(wanted.map((one) => one.props?.key));
  let at = parent.firstChild;
  for (const one of wanted) {
    while (at && at.opsKey !== undefined && !keys.has(at.opsKey)) at = removed(at);
    const key = one.props?.key;
    const candidate = key === undefined ? at : keyed.get(key);
    if (candidate && fits(candidate, one)) {
      if (candidate === at) at = at.nextSibling;
      else parent.insertBefore(candidate, at);
      patch(candidate, one);
    } else {
      parent.insertBefore(create(one), at);
    }
  }
  while (at) at = removed(at);
}

function removed(node) {
  const next = node.nextSibling;
  node.remove();
  return next;
}

function fits(node, one) {
  if (one.tag === undefined) return node.nodeType === Node.TEXT_NODE;
  return node.nodeType === Node.ELEMENT_NODE && node.localName === one.tag && node.opsKey === one.props.key;
}

function create(one) {
  if (one.tag === undefined) return document.createTextNode(String(one));
  const node = document.createElement(one.tag);
  if (one.props.key !== undefined) node.opsKey = one.props.key;
  patch(node, one);
  one.props.made?.(node);
  one.props.own?.(node);
  return node;
}

function patch(node, one) {
  if (one.tag === undefined) {
    if (node.data !== String(one)) node.data = String(one);
    return;
  }
  const before = node.opsProps ?? {};
  for (const name of Object.keys(before)) if (!(name in one.props)) set(node, name, undefined, before[name]);
  // A value is set when its options are there.
  if (!one.props.own) arrange(node, one.children);
  for (const [name, value] of Object.entries(one.props)) set(node, name, value, before[name]);
  node.opsProps = one.props;
}

function set(node, name, value, before) {
  if (name === "key" || name === "made" || name === "own") return;
  if (name.startsWith("on")) {
    if (value !== undefined && value !== null && typeof value !== "function") throw new TypeError(`${name} is no function`);
    node[name] = value ?? null;
  } else if (PROPERTY.has(name)) {
    const wanted = value ?? (typeof node[name] === "boolean" ? false : "");
    if (node[name] !== wanted) node[name] = wanted;
  } else if (name === "share") {
    // A bar's length; the only style that is not in the style sheet.
    node.style.setProperty("--share", `${100 * (value ?? 0)}%`);
  } else if (name === "href") {
    if (typeof value === "string" && isWebAddress(value)) node.setAttribute("href", value);
    else node.removeAttribute("href");
  } else if (value === before) {
    return;
  } else if (!ATTRIBUTE.test(name)) {
    throw new TypeError(`${name} is no attribute of the console`);
  } else if (value === undefined || value === null || value === false) {
    node.removeAttribute(name);
  } else {
    node.setAttribute(name, value === true ? "" : value);
  }
}
