"use strict";
// What pictures and table share: a trial that is marked in one is marked in all.
// Everything from the search is put on the page as text (textContent), never as HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const trials = data.trials;
const HEIGHT = 260;
const dark = matchMedia("(prefers-color-scheme: dark)");
const SHADES = {
  light: [[141, 132, 146], [42, 111, 190], [13, 42, 110]],
  dark: [[112, 106, 122], [74, 144, 226], [205, 231, 255]],
};
const plots = []; // each has draw(width), and once drawn nearest(x, y), outline(i), marks
let pinned = null, marked = null, isShown = trials.map(() => true);

// --- small things

function make(tag, attributes = {}, ...children) {
  const isDrawn = ["svg", "g", "path", "circle", "line", "text", "rect", "polyline", "title"];
  const element = isDrawn.includes(tag)
    ? document.createElementNS("http://www.w3.org/2000/svg", tag)
    : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

const known = (value) => value !== null && value !== undefined;

/** A value as it is written: numbers to some digits, what is not there not at all. */
function text(value, digits = 5) {
  if (typeof value !== "number") return value ?? "";
  const isTiny = value !== 0 && Math.abs(value) < 1e-4;
  if (!isTiny) return String(Number(value.toPrecision(digits)));
  return value.toExponential((digits > 5 ? digits : Math.min(digits, 4)) - 1).replace(/\.?0+e/, "e");
}

function shade(score) {
  const [worst, best] = data.range;
  const t = Math.min(1, Math.max(0, (score - worst) / (best - worst || 1)));
  const stops = SHADES[dark.matches ? "dark" : "light"];
  const k = t < 0.5 ? 0 : 1, part = t * 2 - k;
  return `rgb(${stops[k].map((c, j) => Math.round(c + part * (stops[k + 1][j] - c))).join()})`;
}

function niceTicks(low, high, n = 5) {
  if (!(high > low)) return [low];
  const rough = (high - low) / n, power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((m) => m * power >= rough) * power;
  const ticks = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + 1e-9 * step; k++) ticks.push(k * step);
  return ticks;
}

/** Numbers of a scale, with as many digits as tell them apart. */
function written(ticks, least = 5) {
  const step = ticks.length > 1 ? ticks[1] - ticks[0] : Infinity;
  const digits = Math.ceil(Math.log10(Math.max(...ticks.map(Math.abs)) / step)) + 2;
  return ticks.map((tick) => text(tick, Math.min(17, Math.max(least, digits))));
}

function linear(low, high, from, to) {
  const scale = (value) => from + ((value - low) / (high - low || 1)) * (to - from);
  return Object.assign(scale, { low, high, clamp: (v) => scale(Math.min(high, Math.max(low, v))) });
}

function describe(i) {
  const trial = trials[i];
  const lines = [`Trial ${i}${trial.isDefault ? ", the default" : ""}`];
  if (known(trial.score)) lines[0] += `: ${text(trial.score)}`;
  else lines[0] += `: ${trial.state}${known(trial.expected) ? `, as expected ${text(trial.expected)}` : ""}`;
  data.names.forEach((name, k) => {
    const value = trial.values[k];
    if (known(value)) lines.push(`${name}: ${text(value)}`);
  });
  return lines.join("\n");
}

// --- pictures that are linked

function addPlot({ title, alternative, draw, isWide = false, control = null }) {
  const heading = make("h3", {}, title), caption = make("figcaption", {}, heading);
  if (control) caption.append(control);
  const svg = make("svg", { role: "img", height: HEIGHT, "aria-label": alternative });
  const figure = make("figure", isWide ? { class: "wide" } : {}, caption, svg);
  document.getElementById("plots").append(figure);
  const plot = { svg, marks: new Map(), ring: null, nearest: () => null, outline: () => null };
  plot.draw = () => {
    const width = Math.max(240, svg.clientWidth);
    svg.setAttribute("viewBox", `0 0 ${width} ${HEIGHT}`);
    svg.replaceChildren();
    plot.marks = new Map();
    draw(plot, width);
    dim(plot);
    showMark(plot);
  };
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const i = plot.nearest(event.clientX - box.left, event.clientY - box.top);
    mark(i);
    tell(i, event);
  });
  svg.addEventListener("pointerleave", () => { mark(null); tell(null); });
  svg.addEventListener("click", (event) => {
    const box = svg.getBoundingClientRect();
    pin(plot.nearest(event.clientX - box.left, event.clientY - box.top));
  });
  plots.push(plot);
  return plot;
}

function addMark(plot, i, element) {
  plot.marks.set(i, element);
  plot.svg.append(element);
}

function tell(i, event) {
  const tip = document.getElementById("tip");
  tip.hidden = i === null;
  if (i === null) return;
  tip.textContent = describe(i);
  const box = tip.getBoundingClientRect();
  tip.style.left = `${Math.max(4, Math.min(event.clientX + 14, innerWidth - box.width - 4))}px`;
  tip.style.top = `${Math.max(4, Math.min(event.clientY + 14, innerHeight - box.height - 4))}px`;
}

function mark(i) {
  if (i === marked) return;
  marked = i;
  showMarks();
}

function pin(i) {
  pinned = i === pinned ? null : i;
  marked = pinned;
  showMarks();
  if (pinned === null) return;
  const row = rows[pinned], box = row.closest(".scroll"); // within the table: the page stays
  box.scrollTop = row.offsetTop - box.clientHeight / 2;
}

function showMarks() {
  plots.forEach(showMark);
  rows.forEach((row, i) => row.classList.toggle("marked", i === (marked ?? pinned)));
}

function showMark(plot) {
  plot.ring?.remove();
  const i = marked ?? pinned;
  plot.ring = i === null ? null : plot.outline(i);
  if (plot.ring) plot.svg.append(plot.ring);
}

function dim(plot) {
  for (const [i, element] of plot.marks) element.classList.toggle("out", !isShown[i]);
}

/** Points that can be pointed at, a list of [i, x, y]. */
function pointing(plot, points) {
  const places = new Map(points.map(([i, x, y]) => [i, [x, y]]));
  plot.nearest = (x, y) => {
    let found = null, least = 15 ** 2;
    for (const [i, px, py] of points) {
      const apart = (px - x) ** 2 + (py - y) ** 2;
      if (apart < least && isShown[i]) [found, least] = [i, apart];
    }
    return found;
  };
  plot.outline = (i) => {
    const place = places.get(i);
    return place ? make("circle", { class: "ring", cx: place[0], cy: place[1], r: 8 }) : null;
  };
}

/** Lines that can be pointed at, a list of [i, [[x, y], ...]] with rising x. */
function pointingAtLines(plot, lines) {
  const byTrial = new Map(lines);
  plot.nearest = (x, y) => {
    let found = null, least = 10;
    for (const [i, line] of lines) {
      const k = line.findIndex((point) => point[0] >= x);
      if (k < 0 || !isShown[i]) continue;
      const [x1, y1] = line[k], [x0, y0] = line[Math.max(k - 1, 0)];
      const height = x1 > x0 ? y0 + ((x - x0) / (x1 - x0)) * (y1 - y0) : y1;
      if (Math.abs(height - y) < least) [found, least] = [i, Math.abs(height - y)];
    }
    return found;
  };
  plot.outline = (i) => byTrial.has(i) ? make("path", { class: "ring line", d: path(byTrial.get(i)) }) : null;
}
