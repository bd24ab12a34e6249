// What the Pareto plot shows of the plane. Owns: the window on balance and speed, by default the part near the front.
// Does not know: pixels, elements. Pure.

const QUANTILE = 0.15;

/**
 * Windows `{near, all}` of points: each `{q: [low, high], s: [low, high]}`. `important` are points that must be seen.
 * Near the front: what is important, and the better 85 % of the others on each axis, so that one failure that is valid
 * but bad does not squeeze everything else into a line.
 */
export function windows(points, important) {
  const all = padded(points, important, () => true);
  if (!all) return null;
  const cut = (key) => {
    const sorted = Float64Array.from(points, (point) => point[key]).sort();
    return sorted.length ? sorted[Math.floor(QUANTILE * sorted.length)] : Infinity;
  };
  const [q, s] = [cut("q"), cut("s")];
  const near = padded(points, important, (point) => point.q >= q && point.s >= s) || all;
  const much = (key, f) => f(all[key][1]) - f(all[key][0]) > 1.6 * (f(near[key][1]) - f(near[key][0]));
  const linear = much("q", (value) => value);
  const log = much("s", Math.log);
  return { near: { q: linear ? near.q : all.q, s: log ? near.s : all.s }, all, differ: linear || log };
}

/** The window of the points that are kept and of all important ones, intervals included, with room round it. */
function padded(points, important, keep) {
  const q = [Infinity, -Infinity];
  const s = [Infinity, -Infinity];
  const grow = (range, low, high) => {
    if (low < range[0]) range[0] = low;
    if (high > range[1]) range[1] = high;
  };
  const take = (point) => {
    grow(q, point.ql ?? point.q, point.qh ?? point.q);
    grow(s, point.sl > 0 ? point.sl : point.s, point.sh ?? point.s);
  };
  for (const point of points) if (keep(point)) take(point);
  important.forEach(take);
  if (!(q[0] <= q[1] && s[0] > 0 && s[0] <= s[1])) return null;
  const dq = Math.max((q[1] - q[0]) * 0.08, 1e-4);
  const ds = Math.max(s[1] / s[0], 1.02) ** 0.07;
  return { q: [q[0] - dq, q[1] + dq], s: [s[0] / ds, s[1] * ds ** 2] }; // room for the name of the fastest
}

/** Where the front's line runs, from the fastest point to the left edge: corners `[s, q]`. */
export function staircase(front, left, bottom) {
  const corners = [];
  let height = bottom;
  for (const { s, q } of [...front].sort((a, b) => b.s - a.s)) {
    if (q <= height) continue;
    corners.push([s, height], [s, q]);
    height = q;
  }
  if (corners.length) corners.push([left, height]);
  return corners;
}

const GAPS = [14, 24, 40, 58, 76];

/**
 * Where a label fits beside a mark without covering what is `taken`: `{x, y, anchor, far}`, or null where all is full.
 * Above comes first, since beyond the front nothing is drawn; `far` labels need a line to their mark.
 */
export function place(taken, x, y, width, height, bounds) {
  const above = GAPS.flatMap((gap) => [
    [gap, 0.7, -1, "start"],
    [gap, -0.7, -1, "end"],
    [gap, 0, -1.2, "middle"],
  ]);
  const beside = GAPS.slice(0, 3).flatMap((gap) => [
    [gap, 1, 0, "start"],
    [gap, 0.7, 1, "start"],
    [gap, -0.7, 1, "end"],
    [gap, -1, 0, "end"],
    [gap, 0, 1.2, "middle"],
  ]);
  for (const [gap, across, down, anchor] of [...above, ...beside]) {
    const [at, level] = [x + gap * across, y + gap * down];
    const left = anchor === "start" ? at : anchor === "end" ? at - width : at - width / 2;
    const box = { left, right: left + width, top: level - height / 2, bottom: level + height / 2 };
    const inside =
      box.left >= bounds.left && box.right <= bounds.right && box.top >= bounds.top && box.bottom <= bounds.bottom;
    if (inside && !taken.some((other) => overlap(box, other))) {
      taken.push(box);
      return { x: at, y: level, anchor, far: gap > 24 };
    }
  }
  return null;
}

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}
