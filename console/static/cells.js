// A field of cells that scrolls: only what is in sight is drawn, so 5,000 cost no more than 500.

import { cellAt, cellOf, layout, pitchFor } from "./cell_layout.js";
import { markOf } from "./states.js";

const TALLEST = 0.72;
const MOVES = { ArrowLeft: -1, ArrowRight: 1 };

/** What the keyboard and a screen reader meet is a list of options, of which the one that is chosen is there. */
export class Cells {
  /** `open(cell)` is called when a person chooses one. `host` is an empty element of the class cells. */
  constructor(host, label, open) {
    this.host = host;
    this.open = open;
    this.chosen = -1;
    this.sprites = new Map();
    this.canvas = document.createElement("canvas");
    this.space = child(host, "div", "cells-space");
    this.option = child(host, "div", "unseen");
    this.hint = child(host, "div", "cells-hint");
    this.space.append(this.canvas);
    this.option.id = `option-${Math.random().toString(36).slice(2)}`;
    this.canvas.setAttribute("aria-hidden", "true");
    this.hint.setAttribute("aria-hidden", "true");
    for (const [name, value] of [["role", "listbox"], ["tabindex", "0"], ["aria-label", label]]) host.setAttribute(name, value);
    this.option.setAttribute("role", "option");
    this.option.setAttribute("aria-selected", "true");
    host.onscroll = () => this.soon();
    host.onmousemove = (event) => this.choose(this.under(event), false);
    host.onmouseleave = () => this.choose(-1, false);
    host.onclick = (event) => this.enter(this.under(event));
    host.onkeydown = (event) => this.key(event);
    this.seen = new ResizeObserver(() => this.arrange());
    this.seen.observe(host);
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.dark.onchange = () => (this.sprites.clear(), this.soon());
    this.show([]);
  }

  /** Groups of cells: [{title, cells: [{name, state, text}]}]. */
  show(groups) {
    this.groups = groups;
    this.arrange();
  }

  close() {
    this.seen.disconnect();
    this.dark.onchange = null;
    cancelAnimationFrame(this.frame);
  }

  arrange() {
    const count = this.groups.reduce((sum, group) => sum + group.cells.length, 0);
    const pitch = pitchFor(count);
    if (pitch !== this.placed?.pitch) this.sprites.clear();
    this.placed = layout(this.groups, Math.max(80, this.host.clientWidth - 2), pitch);
    this.space.style.setProperty("height", `${this.placed.height}px`);
    this.host.style.setProperty("height", `${Math.min(this.placed.height + 4, innerHeight * TALLEST)}px`);
    if (this.chosen >= count) this.chosen = -1;
    this.tell();
    this.soon();
  }

  soon() {
    cancelAnimationFrame(this.frame);
    this.frame = requestAnimationFrame(() => this.draw());
  }

  draw() {
    const [width, height, scale] = [this.host.clientWidth, this.host.clientHeight, devicePixelRatio || 1];
    const top = this.host.scrollTop;
    if (this.canvas.width !== Math.round(width * scale) || this.canvas.height !== Math.round(height * scale)) {
      this.canvas.width = Math.round(width * scale);
      this.canvas.height = Math.round(height * scale);
      this.canvas.style.setProperty("width", `${width}px`);
      this.canvas.style.setProperty("height", `${height}px`);
    }
    const paper = this.canvas.getContext("2d");
    paper.setTransform(scale, 0, 0, scale, 0, 0);
    paper.clearRect(0, 0, width, height);
    const style = getComputedStyle(this.host);
    const { blocks, pitch } = this.placed;
    for (const block of blocks) {
      if (block.y > top + height || block.y + block.height < top) continue;
      if (block.heading) heading(paper, style, block, top);
      const begin = Math.max(0, Math.floor((top - block.y - block.heading) / pitch)) * block.columns;
      const rows = Math.ceil(height / pitch) + 1;
      block.group.cells.slice(begin, begin + rows * block.columns).forEach((cell, at) => {
        const row = Math.floor((begin + at) / block.columns);
        const x = block.x + ((begin + at) % block.columns) * pitch;
        paper.drawImage(this.sprite(cell.state, style, scale), x, block.y + block.heading + row * pitch - top, pitch, pitch);
      });
    }
    this.frameChosen(paper, style, top);
  }

  frameChosen(paper, style, top) {
    const found = this.chosen < 0 ? undefined : cellOf(this.placed, this.chosen);
    if (!found) return;
    paper.strokeStyle = style.getPropertyValue("--text");
    paper.lineWidth = 2;
    paper.strokeRect(found.x, found.y - top, this.placed.pitch - 2, this.placed.pitch - 2);
  }

  /** A cell of that state, drawn once. */
  sprite(state, style, scale) {
    const key = `${state} ${scale}`;
    if (!this.sprites.has(key)) {
      const { pitch } = this.placed;
      const size = pitch - Math.max(3, Math.round(pitch / 9));
      const made = document.createElement("canvas");
      made.width = made.height = Math.round(pitch * scale);
      const paper = made.getContext("2d");
      paper.scale(scale, scale);
      paper.fillStyle = style.getPropertyValue(`--state-${state}`) || "gray";
      paper.beginPath();
      paper.roundRect(0.5, 0.5, size, size, Math.max(2, size / 6));
      paper.fill();
      paper.strokeStyle = style.getPropertyValue("--cell-edge");
      paper.stroke();
      paper.fillStyle = style.getPropertyValue(`--mark-${state}`) || style.getPropertyValue("--mark");
      paper.font = `700 ${Math.round(size * 0.62)}px system-ui, sans-serif`;
      paper.textAlign = "center";
      paper.textBaseline = "middle";
      paper.fillText(markOf(state), 0.5 + size / 2, 1 + size / 2);
      this.sprites.set(key, made);
    }
    return this.sprites.get(key);
  }

  under(event) {
    const place = this.space.getBoundingClientRect();
    return cellAt(this.placed, event.clientX - place.left, event.clientY - place.top) ?? -1;
  }

  choose(number, intoSight) {
    if (number === this.chosen) return;
    this.chosen = number;
    const found = number < 0 ? undefined : cellOf(this.placed, number);
    if (found && intoSight) {
      const { scrollTop, clientHeight } = this.host;
      if (found.y - 30 < scrollTop) this.host.scrollTop = found.y - 30;
      else if (found.y + this.placed.pitch > scrollTop + clientHeight) this.host.scrollTop = found.y + this.placed.pitch - clientHeight + 4;
    }
    this.tell();
    this.soon();
  }

  tell() {
    const found = this.chosen < 0 ? undefined : cellOf(this.placed, this.chosen);
    this.host.classList.toggle("pointed", Boolean(found));
    this.hint.hidden = !found;
    this.option.textContent = found ? `${found.cell.name}: ${found.cell.text}` : "none chosen";
    this.host.setAttribute("aria-activedescendant", this.option.id);
    if (!found) return;
    this.hint.textContent = this.option.textContent;
    const right = found.x > this.host.clientWidth / 2;
    this.hint.style.setProperty("left", right ? "auto" : `${found.x}px`);
    this.hint.style.setProperty("right", right ? `${Math.max(0, this.host.clientWidth - found.x - this.placed.pitch)}px` : "auto");
    const below = found.y + this.placed.pitch + 4;
    const fits = below + 34 < this.host.scrollTop + this.host.clientHeight;
    this.hint.style.setProperty("top", `${fits ? below : Math.max(0, found.y - 34)}px`);
  }

  enter(number) {
    const found = number < 0 ? undefined : cellOf(this.placed, number);
    if (found) this.open(found.cell);
  }

  key(event) {
    const last = this.placed.count - 1;
    const columns = cellOf(this.placed, Math.max(0, this.chosen))?.block.columns ?? 1;
    const moves = { ...MOVES, ArrowUp: -columns, ArrowDown: columns, Home: -Infinity, End: Infinity };
    if (event.key === "Enter" || event.key === " ") this.enter(this.chosen);
    else if (event.key in moves) this.choose(Math.min(last, Math.max(0, this.chosen + moves[event.key])), true);
    else return;
    event.preventDefault();
  }
}

function child(parent, tag, name) {
  const made = document.createElement(tag);
  made.className = name;
  parent.append(made);
  return made;
}

function heading(paper, style, block, top) {
  paper.font = "600 12px system-ui, sans-serif";
  paper.textBaseline = "middle";
  paper.textAlign = "left";
  paper.fillStyle = style.getPropertyValue("--muted");
  paper.fillText(fitted(paper, block.group.title, block.width - 6), block.x + 1, block.y + block.heading / 2 - top);
}

function fitted(paper, text, width) {
  if (paper.measureText(text).width <= width) return text;
  let kept = text;
  while (kept.length > 1 && paper.measureText(`${kept}…`).width > width) kept = kept.slice(0, -1);
  return `${kept}…`;
}
