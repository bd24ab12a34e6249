// A curve over time, drawn by uPlot. Owns: stepped lines with intervals, ticks, the reading under the pointer.
// Does not know: runs (see progress.js).

import { fill, h, token } from "./dom.js";
import { extent, linearTicks, logTicks, tick } from "./scale.js";
import { onTheme } from "./theme.js";

const { uPlot } = window;
const MOST_MARKED = 80;
const FAR = 3;
const DASHES = [[], [7, 4], [2, 3], [10, 3, 2, 3], [4, 4]];

export class Curve {
  /** `title` is said above the plot, `log` makes the vertical axis logarithmic, `height` is in pixels. */
  constructor({ title, log = false, height = 168 }) {
    Object.assign(this, { log, height, model: null, plot: null });
    this.reading = h("span.reading.quiet", {});
    this.box = h("div.curvebox", {});
    this.element = h(
      "figure.curve",
      { "aria-label": title },
      h("figcaption", {}, h("span", {}, title), this.reading),
      this.box,
    );
    new ResizeObserver(() => this.#resize()).observe(this.box);
    onTheme(this.element, () => this.#build());
  }

  /**
   * `model`: `{x: words, lines: [{label, colour, steps: [{x, y, low, high, text}], end}], level}`; `end` is how far
   * the last step is drawn, `level` a horizontal line `{at, text}` or null, `whole` whether x counts whole things.
   */
  update(model) {
    this.model = model;
    const lines = model.lines.filter((line) => line.steps.length);
    if (this.plot && this.box.isConnected && shape(lines) === this.shape) this.#refill(lines);
    else this.#build();
  }

  /** The same lines with further steps. */
  #refill(lines) {
    const data = this.#data(lines);
    this.#say(lines, null);
    const same = data.every((column, at) => column.length === this.plot.data[at].length);
    if (same && data.every((column, at) => column.every((value, row) => value === this.plot.data[at][row]))) return;
    this.plot.setData(data);
  }

  /** Takes over the lines; uPlot's columns. */
  #data(lines) {
    this.lines = lines;
    this.range = this.#range(lines);
    this.element.dataset.steps = lines.reduce((sum, line) => sum + line.steps.length, 0);
    const data = uPlot.join(lines.map(table));
    // Of a single place uPlot would make an axis of a hundred.
    if (data[0].length === 1) data.forEach((column, at) => column.push(at ? null : column[0] + 1));
    this.#fillForward(data);
    return data;
  }

  #build() {
    if (!this.model || !this.box.clientWidth || !this.box.isConnected) return;
    const lines = this.model.lines.filter((line) => line.steps.length);
    this.plot?.destroy();
    this.plot = null;
    if (!lines.length) {
      this.element.dataset.steps = 0;
      fill(this.box, h("p.quiet.small", {}, "Nothing is scored yet."));
      return;
    }
    fill(this.box);
    const data = this.#data(lines);
    this.shape = shape(lines);
    this.#say(lines, null);
    this.plot = new uPlot(this.#options(lines), data, this.box);
  }

  #fillForward(data) {
    for (const column of data.slice(1)) {
      let last = null;
      let end = column.length - 1;
      while (end >= 0 && (column[end] === null || column[end] === undefined)) end--;
      for (let at = 0; at <= end; at++) {
        if (column[at] === null || column[at] === undefined) column[at] = last;
        else last = column[at];
      }
    }
  }

  #options(lines) {
    const stepped = uPlot.paths.stepped({ align: 1 });
    const series = [{}];
    const bands = [];
    lines.forEach((line, at) => {
      const colour = token(line.colour);
      const edge = { paths: stepped, stroke: "transparent", width: 0, points: { show: false } };
      const filter = (plot) => {
        const changes = new Set(this.lines[at].steps.map((step) => step.x));
        return plot.data[0].map((x, index) => (changes.has(x) ? index : -1)).filter((index) => index >= 0);
      };
      const show = () => this.lines[at].steps.length <= MOST_MARKED;
      const points = { show, size: 6, fill: colour, width: 0, filter };
      series.push(
        { label: line.label, stroke: colour, width: 2, dash: DASHES[line.dash ?? at], paths: stepped, points },
        edge,
        edge,
      );
      bands.push({ series: [3 * at + 3, 3 * at + 2], fill: `${colour}2e` });
    });
    const axis = {
      stroke: token("--ink-3"),
      font: `12px ${token("--sans")}`,
      grid: { stroke: token("--rule"), width: 1 },
      ticks: { show: false },
    };
    const splits = (plot, _, min, max) =>
      this.log ? logTicks(min, max) : linearTicks(min, max, this.height / 45).values;
    const values = (plot, found) => {
      const { step } = linearTicks(...this.range, this.height / 45);
      return found.map((value) =>
        value === null ? "" : this.log ? `${Number(value.toPrecision(3))}×` : tick(value, step),
      );
    };
    return {
      width: this.box.clientWidth,
      height: this.height,
      legend: { show: false },
      cursor: { y: false, points: { size: 7 }, sync: { key: "progress" }, drag: { setScale: true } },
      scales: {
        x: { time: false, range: (plot, min, max) => [min, max > min ? max : min + 1] },
        y: { distr: this.log ? 3 : 1, range: () => this.range },
      },
      axes: [
        {
          ...axis,
          size: 30,
          space: 60,
          incrs: this.model.whole
            ? [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 20000, 50000]
            : undefined,
        },
        { ...axis, size: 58, splits, values, filter: (plot, found) => found },
      ],
      series,
      bands,
      hooks: {
        setCursor: [
          (plot) =>
            this.#say(
              this.lines,
              plot.cursor.idx === null || plot.cursor.left < 0 ? null : plot.posToVal(plot.cursor.left, "x"),
            ),
        ],
        draw: [(plot) => this.#level(plot)],
      },
    };
  }

  #range(lines) {
    const values = lines.flatMap((line) => line.steps.flatMap((step) => [step.y, step.low, step.high]));
    const [low, high] = extent(values);
    const [from, to] = this.#withLevel(low, high);
    if (this.log) return [from / 1.15, to * (to / from) ** 0.16 * 1.05];
    const pad = Math.max(1e-4, (to - from) * 0.12);
    return [from - pad, to + pad];
  }

  /** The range with the level in it, unless the level is so far off that the line would be flat. */
  #withLevel(low, high) {
    const { level } = this.model;
    if (!level) return [low, high];
    const [from, to] = [Math.min(low, level.at), Math.max(high, level.at)];
    const f = this.log ? Math.log : (value) => value;
    return f(to) - f(from) > FAR * Math.max(f(high) - f(low), 0.1) ? [low, high] : [from, to];
  }

  #level(plot) {
    const { level } = this.model;
    if (!level || level.at > plot.scales.y.max || level.at < plot.scales.y.min) return;
    const ratio = uPlot.pxRatio;
    const y = plot.valToPos(level.at, "y", true);
    const context = plot.ctx;
    context.save();
    context.strokeStyle = token("--ink-3");
    context.setLineDash([3 * ratio, 4 * ratio]);
    context.beginPath();
    context.moveTo(plot.bbox.left, y);
    context.lineTo(plot.bbox.left + plot.bbox.width, y);
    context.stroke();
    context.setLineDash([]);
    context.fillStyle = token("--ink-3");
    context.font = `${11.5 * ratio}px ${token("--sans")}`;
    context.textAlign = "left";
    context.strokeStyle = token("--panel");
    context.lineWidth = 4 * ratio;
    const [x, base] = [plot.bbox.left + 8 * ratio, y - 6 * ratio];
    context.strokeText(level.text, x, base);
    context.fillText(level.text, x, base);
    context.restore();
  }

  /** What holds at `x`, or at the end. */
  #say(lines, x) {
    const said = lines.map((line) => {
      const until = x === null ? line.steps : line.steps.filter((step) => step.x <= x);
      const step = until[until.length - 1];
      return step ? `${lines.length > 1 ? `${line.label}: ` : ""}${step.text}` : "";
    });
    fill(
      this.reading,
      said.filter(Boolean).map((words) => h("span.line", {}, words)),
    );
  }

  #resize() {
    if (this.plot) this.plot.setSize({ width: this.box.clientWidth, height: this.height });
    else this.#build();
  }
}

/** What a plot is built for: it is built anew when this changes. */
function shape(lines) {
  return JSON.stringify(lines.map(({ label, colour, dash }) => [label, colour, dash]));
}

/** Steps as uPlot's columns: x, value, low, high. */
function table({ steps, end }) {
  const points = [...steps];
  const last = points[points.length - 1];
  if (end > last.x) points.push({ ...last, x: end });
  const x = [];
  const [value, low, high] = [[], [], []];
  for (const point of points) {
    if (x.length && x[x.length - 1] === point.x) {
      x.pop();
      for (const column of [value, low, high]) column.pop();
    }
    x.push(point.x);
    value.push(point.y);
    low.push(point.low ?? point.y);
    high.push(point.high ?? point.y);
  }
  return [x, value, low, high];
}
