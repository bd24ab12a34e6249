// The Pareto plot. Owns: how programs are drawn in the plane of quality and speed-up, hover, zoom, and opening one.
// Does not know: where programs come from (see pareto.js).
//
// Points are on a canvas, since 100,000 elements of SVG would take seconds; what has a name (axes, lines, the front,
// the champion, the reference) is SVG above it, in which links can be reached by keyboard.

import { fill, h, s, token } from "./dom.js";
import { place, staircase, windows } from "./frame.js";
import { glyph } from "./glyphs.js";
import { linearTicks, logTicks, scale, tick } from "./scale.js";

const MARGIN = { left: 70, right: 18, top: 16, bottom: 44 };
const MANY = 4000;
const REACH = 14;
const LETTER = 7.1;
const FEW = 300;
const MOST_RINGS = 8;

export class Scatter {
  /** `describe(point)` gives the lines of the tooltip, `open(point)` is called on a click. */
  constructor({ label, describe, open }) {
    Object.assign(this, { describe, open, zoom: null, whole: false, model: null, hovered: null, arrived: [] });
    this.canvas = h("canvas", { "aria-hidden": "true" });
    this.svg = s("svg", { role: "group", "aria-label": label });
    this.tip = h("div.tip", { hidden: true });
    this.element = h("div.scatter", {}, this.canvas, this.svg, this.tip);
    new ResizeObserver(() => this.draw()).observe(this.element);
    this.#listen();
  }

  /**
   * `model`: `{points, series, lines, quality}`. A point is `{q, ql, qh, s, sl, sh, number, run, role, faint}`;
   * `series` are `{run, front: points, named: [{point, role, text, href}], style}`; `lines` are `{axis, at, text,
   * style}`; points that have just come are in `arrived`, and are ringed until others come.
   */
  update(model) {
    this.model = model;
    this.windows = windows(
      model.points,
      model.series.flatMap((one) => [...one.front, ...one.named.map((n) => n.point)]),
    );
    if (model.arrived?.length) this.arrived = model.arrived.slice(-MOST_RINGS);
    this.draw();
  }

  /** Whether a window near the front and one of all points would differ. */
  get differs() {
    return Boolean(this.windows?.differ || this.zoom);
  }

  show(whole) {
    this.whole = whole;
    this.zoom = null;
    this.draw();
  }

  draw() {
    const width = this.element.clientWidth;
    if (!width || !this.model) return;
    const height = Math.round(Math.min(480, Math.max(320, width * 0.56)));
    this.element.style.height = `${height}px`;
    this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
    fill(this.svg);
    this.tip.hidden = true;
    this.element.dataset.points = this.model.points.length;
    if (!this.windows) {
      this.#paint(width, height, []);
      this.svg.append(
        s("text.empty", { x: width / 2, y: height / 2, "text-anchor": "middle" }, "No program is scored yet."),
      );
      return;
    }
    const frame = this.zoom || (this.whole ? this.windows.all : this.windows.near);
    this.x = scale(...frame.s, MARGIN.left, width - MARGIN.right, true);
    this.y = scale(...frame.q, height - MARGIN.bottom, MARGIN.top);
    this.size = { width, height };
    this.#paint(width, height, this.#visible());
    this.#axes();
    this.taken = [];
    this.#lines();
    const marks = this.model.series.flatMap((one) =>
      this.#inside(one).map(({ point }) => box(this.x.at(point.s), this.y.at(point.q), 7)),
    );
    this.taken.push(...marks);
    if (this.drawn.length <= FEW) this.taken.push(...this.drawn.map(({ x, y }) => box(x, y, 3)));
    this.model.series.forEach((one) => this.#front(one));
    this.model.series.forEach((one) => this.#named(one));
    this.svg.append(
      ...this.arrived.filter((point) => this.x.holds(point.s) && this.y.holds(point.q)).map((point) => s("circle.arrival", { cx: this.x.at(point.s), cy: this.y.at(point.q), r: 9 })),
    );
    this.hover = s("g.hover", {});
    this.svg.append(this.hover);
  }

  #visible() {
    const inside = this.model.points.filter((point) => this.x.holds(point.s) && this.y.holds(point.q));
    this.outside = this.model.points.length - inside.length;
    this.element.dataset.outside = this.outside;
    return inside;
  }

  #paint(width, height, points) {
    const ratio = window.devicePixelRatio || 1;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    const context = this.canvas.getContext("2d");
    context.scale(ratio, ratio);
    const colours = new Map();
    const colour = (name) => colours.get(name) || colours.set(name, token(name)).get(name);
    this.drawn = points.map((point) => ({ point, x: this.x.at(point.s), y: this.y.at(point.q) }));
    const many = points.length > MANY;
    for (const { point, x, y } of this.drawn) {
      context.globalAlpha = point.faint ? 0.4 : many ? 0.5 : 0.8;
      if (many) {
        context.fillStyle = colour(point.colour);
        context.fillRect(x - 1.5, y - 1.5, 3, 3);
        continue;
      }
      context.beginPath();
      context.arc(x, y, 3.6, 0, 2 * Math.PI);
      if (point.faint) {
        context.strokeStyle = colour(point.colour);
        context.stroke();
      } else {
        context.fillStyle = colour(point.colour);
        context.fill();
      }
    }
  }

  #axes() {
    const { width, height } = this.size;
    const [left, right, top, bottom] = [MARGIN.left, width - MARGIN.right, MARGIN.top, height - MARGIN.bottom];
    const axes = s("g.axes", { "aria-hidden": "true" });
    const across = logTicks(this.x.low, this.x.high);
    let last = -Infinity;
    for (const value of across) {
      const x = this.x.at(value);
      axes.append(s("line.grid", { x1: x, x2: x, y1: top, y2: bottom }));
      if (x - last < 46) continue;
      last = x;
      axes.append(s("text", { x, y: bottom + 18, "text-anchor": "middle" }, `${Number(value.toPrecision(3))}×`));
    }
    const { values, step } = linearTicks(this.y.low, this.y.high, height / 70);
    for (const value of values) {
      const y = this.y.at(value);
      axes.append(s("line.grid", { x1: left, x2: right, y1: y, y2: y }));
      axes.append(s("text", { x: left - 8, y: y + 4, "text-anchor": "end" }, tick(value, step)));
    }
    axes.append(
      s(
        "text.title",
        { x: right, y: bottom + 36, "text-anchor": "end" },
        "times as fast as the reference, log scale →",
      ),
      s(
        "text.title",
        { x: 0, y: 0, "text-anchor": "end", transform: `translate(11 ${top}) rotate(-90)` },
        `${this.model.quality} →`,
      ),
    );
    this.svg.append(axes);
  }

  #lines() {
    const { width, height } = this.size;
    const [left, right, top, bottom] = [MARGIN.left, width - MARGIN.right, MARGIN.top, height - MARGIN.bottom];
    const group = s("g.lines", {});
    for (const { axis, at, text, style } of this.model.lines) {
      if (axis === "s" && this.x.holds(at)) {
        const x = this.x.at(at);
        const end = x > (left + right) / 2;
        group.append(s(`line.${style}`, { x1: x, x2: x, y1: top, y2: bottom }));
        const room = (end ? x - left : right - x) - 12;
        const words = text.length * LETTER > room ? text.split(":")[0] : text;
        group.append(this.#written(x + (end ? -6 : 6), bottom - 8, end, words));
      } else if (axis === "q") {
        const inside = this.y.holds(at);
        const y = inside ? this.y.at(at) : at > this.y.high ? top : bottom;
        if (inside) group.append(s(`line.${style}`, { x1: left, x2: right, y1: y, y2: y }));
        const words = inside ? text : `${text} ${at > this.y.high ? "↑" : "↓"}`;
        const level = y < top + 16 ? y + 13 : y - 6;
        if (inside || at > this.y.high) group.append(this.#written(left + 8, level, false, words));
      }
    }
    this.svg.append(group);
  }

  /** A text that starts or ends at `x`, and that no label may cover. */
  #written(x, y, end, words) {
    const width = words.length * LETTER;
    this.taken.push({ left: end ? x - width : x, right: end ? x : x + width, top: y - 12, bottom: y + 4 });
    return s("text", { x, y, "text-anchor": end ? "end" : "start" }, words);
  }

  /** The named programs of a series that lie in the window. */
  #inside({ named }) {
    return named.filter(({ point }) => this.x.holds(point.s) && this.y.holds(point.q));
  }

  #front({ front, style }) {
    const within = (value, axis) => axis.at(Math.min(axis.high, Math.max(axis.low, value)));
    const corners = staircase(front, this.x.low, this.y.low).map(([s_, q]) =>
      pair(within(s_, this.x), within(q, this.y)),
    );
    const group = s("g", { class: `series ${style || ""}` });
    if (corners.length) group.append(s("path.frontline", { d: `M${corners.join("L")}` }));
    this.svg.append(group);
  }

  #named(series) {
    const { width, height } = this.size;
    const bounds = { left: MARGIN.left, right: width - 4, top: MARGIN.top, bottom: height - MARGIN.bottom };
    const group = s("g", { class: `series ${series.style || ""}` });
    for (const { point, role, text, href, aria } of this.#inside(series)) {
      const [x, y] = [this.x.at(point.s), this.y.at(point.q)];
      const mark = s(href ? "a.named" : "g.named", { href, "aria-label": href ? aria : null });
      if (this.model.series.length === 1 || role === "champion") mark.append(this.#interval(point));
      mark.append(glyph(role, role === "champion" ? 7 : 5, { transform: `translate(${pair(x, y)})` }));
      // In a narrow plot the letter of a run alone may find a place.
      const spotFor = (one) => one && place(this.taken, x, y, one.length * LETTER + 4, 17, bounds);
      let [words, spot] = [text, spotFor(text)];
      if (!spot) [words, spot] = [text.split(" · ")[0], spotFor(text.split(" · ")[0])];
      if (spot?.far) mark.append(leader(x, y, spot));
      if (spot) mark.append(s("text.label", { x: spot.x, y: spot.y + 4, "text-anchor": spot.anchor }, words));
      group.append(mark);
    }
    this.svg.append(group);
  }

  /** The cross of a point's 95 % intervals, cut at the edges. */
  #interval(point) {
    const edge = (value, axis) => axis.at(Math.min(axis.high, Math.max(axis.low, value)));
    const [x, y] = [this.x.at(point.s), this.y.at(point.q)];
    const group = s("g.interval", {});
    if (point.sl !== null && point.sl !== undefined) {
      group.append(s("line", { x1: edge(point.sl, this.x), x2: edge(point.sh, this.x), y1: y, y2: y }));
    }
    if (point.ql !== null && point.ql !== undefined) {
      group.append(s("line", { x1: x, x2: x, y1: edge(point.ql, this.y), y2: edge(point.qh, this.y) }));
    }
    return group;
  }

  #listen() {
    const at = (event) => {
      const area = this.element.getBoundingClientRect();
      return [event.clientX - area.left, event.clientY - area.top];
    };
    let from = null;
    this.element.addEventListener("pointerdown", (event) => {
      if (event.button === 0 && event.pointerType === "mouse") from = at(event);
    });
    this.element.addEventListener("pointermove", (event) => {
      const [x, y] = at(event);
      if (from && Math.hypot(x - from[0], y - from[1]) > 8) {
        this.element.setPointerCapture(event.pointerId);
        return this.#brush(from, [x, y]);
      }
      return this.#point(x, y);
    });
    this.element.addEventListener("pointerleave", () => this.#leave());
    this.element.addEventListener("pointerup", (event) => {
      if (from && this.brushed) this.#zoomTo(from, at(event));
      from = null;
    });
    this.element.addEventListener("click", (event) => {
      if (this.brushed) {
        this.brushed = false;
        event.preventDefault();
        return;
      }
      if (!event.target.closest("a") && this.hovered) this.open(this.hovered.point);
    });
    this.element.addEventListener("dblclick", () => this.show(this.whole));
  }

  #point(x, y) {
    if (!this.drawn || !this.hover) return;
    let [best, distance] = [null, REACH * REACH];
    for (const one of this.drawn) {
      const far = (one.x - x) ** 2 + (one.y - y) ** 2;
      if (far < distance) [best, distance] = [one, far];
    }
    if (best === this.hovered) return;
    this.hovered = best;
    this.element.classList.toggle("pointing", Boolean(best));
    fill(this.hover);
    this.tip.hidden = !best;
    if (!best) return;
    this.hover.append(this.#interval(best.point), s("circle", { cx: best.x, cy: best.y, r: 6.5 }));
    fill(this.tip, this.describe(best.point));
    const right = best.x > this.size.width / 2;
    this.tip.style.left = right ? "auto" : `${best.x + 14}px`;
    this.tip.style.right = right ? `${this.size.width - best.x + 14}px` : "auto";
    this.tip.style.top = `${Math.max(4, Math.min(best.y - 20, this.size.height - 130))}px`;
  }

  #leave() {
    this.hovered = null;
    this.tip.hidden = true;
    if (this.hover) fill(this.hover);
  }

  #brush([x1, y1], [x2, y2]) {
    this.brushed = true;
    fill(
      this.hover,
      s("rect", { x: Math.min(x1, x2), y: Math.min(y1, y2), width: Math.abs(x2 - x1), height: Math.abs(y2 - y1) }),
    );
  }

  #zoomTo([x1, y1], [x2, y2]) {
    setTimeout(() => (this.brushed = false));
    if (Math.abs(x2 - x1) < 12 || Math.abs(y2 - y1) < 12) return this.draw();
    this.zoom = {
      s: [this.x.value(Math.min(x1, x2)), this.x.value(Math.max(x1, x2))],
      q: [this.y.value(Math.max(y1, y2)), this.y.value(Math.min(y1, y2))],
    };
    this.onzoom?.();
    return this.draw();
  }
}

/** A line from a mark to a label that had to be put far off. */
function leader(x, y, spot) {
  const side = spot.y > y ? 1 : -1;
  return s("line.leader", { x1: x, y1: y + 9 * side, x2: spot.x, y2: spot.y - 8 * side });
}

const pair = (x, y) => `${x.toFixed(1)} ${y.toFixed(1)}`;

function box(x, y, r) {
  return { left: x - r, right: x + r, top: y - r, bottom: y + r };
}
