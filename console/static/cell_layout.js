// Where the cells of a fleet lie: groups side by side where they are small, as racks are, and one below another else.

const HEADING = 26;
const GAP = 14;
const NARROWEST = 132;

/** The distance from cell to cell, in pixels: the fewer there are, the larger they can be. */
export function pitchFor(count) {
  if (count <= 60) return 38;
  if (count <= 400) return 28;
  return count <= 1500 ? 23 : 19;
}

/** Blocks with their places, in a row until the width is used up, and the height of all. */
export function layout(groups, width, pitch) {
  const most = Math.max(1, Math.floor(width / pitch));
  const largest = Math.max(...groups.map((group) => group.cells.length), 1);
  const narrow = Math.min(most, Math.max(Math.ceil(NARROWEST / pitch), Math.min(largest, 16)));
  const blocks = [];
  let [x, y, shelf, first] = [0, 0, 0, 0];
  for (const group of groups) {
    const columns = group.cells.length > narrow * 4 ? most : narrow;
    const heading = group.title ? HEADING : 0;
    const size = { width: columns * pitch, height: heading + Math.ceil(group.cells.length / columns) * pitch };
    if (x > 0 && x + size.width > width) [x, y, shelf] = [0, y + shelf + GAP, 0];
    blocks.push({ group, x, y, columns, heading, first, ...size });
    first += group.cells.length;
    x += size.width + GAP;
    shelf = Math.max(shelf, size.height);
  }
  return { blocks, height: y + shelf, count: first, pitch };
}

/** The cell at a point; undefined: there is none. */
export function cellAt({ blocks, pitch }, x, y) {
  const block = blocks.find((one) => x >= one.x && x < one.x + one.width && y >= one.y + one.heading && y < one.y + one.height);
  if (!block) return undefined;
  const column = Math.floor((x - block.x) / pitch);
  const at = Math.floor((y - block.y - block.heading) / pitch) * block.columns + column;
  return at < block.group.cells.length ? block.first + at : undefined;
}

/** The cell of that number, and its place. */
export function cellOf({ blocks, pitch }, number) {
  const block = blocks.findLast((one) => one.first <= number);
  const at = block ? number - block.first : 0;
  const cell = block?.group.cells[at];
  return cell && {
    cell,
    block,
    x: block.x + (at % block.columns) * pitch,
    y: block.y + block.heading + Math.floor(at / block.columns) * pitch,
  };
}
