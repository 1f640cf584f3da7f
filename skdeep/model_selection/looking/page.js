"use strict";
// Pictures and table of a search's trials, linked: what is marked in one is marked in all.
// Everything from the search is put on the page as text (textContent), never as HTML.

const data = JSON.parse(document.getElementById("data").textContent);
const trials = data.trials;
const HEIGHT = 260;
const dark = matchMedia("(prefers-color-scheme: dark)");
const SHADES = {
  light: [[141, 132, 146], [42, 111, 190], [13, 42, 110]],
  dark: [[112, 106, 122], [74, 144, 226], [205, 231, 255]],
};
const plots = []; // each has draw(width), and once drawn nearest(x, y), place(i), marks
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
  return isTiny ? value.toExponential(Math.min(digits, 4) - 1).replace(/\.?0+e/, "e") : String(Number(value.toPrecision(digits)));
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

function linear(low, high, from, to) {
  const scale = (value) => from + ((value - low) / (high - low || 1)) * (to - from);
  return Object.assign(scale, { low, high, clamp: (v) => scale(Math.min(high, Math.max(low, v))) });
}

function describe(i) {
  const trial = trials[i];
  const lines = [`Trial ${i + 1}${trial.isDefault ? ", the default" : ""}`];
  if (known(trial.score)) lines[0] += `: ${text(trial.score)}`;
  else lines[0] += `: ${trial.state}${known(trial.expected) ? `, as expected ${text(trial.expected)}` : ""}`;
  data.names.forEach((name, k) => {
    const value = trial.values[k];
    if (known(value)) lines.push(`${name}: ${text(value)}`);
  });
  return lines.join("\n");
}

// --- what all pictures share

function addPlot(title, alternative, draw, isWide = false, control = null) {
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

const path = (line) => line.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

function write(svg, x, y, words, anchor = "middle", attributes = {}) {
  svg.append(make("text", { x, y, "text-anchor": anchor, ...attributes }, String(words)));
}

function shorten(words, n) {
  const last = Math.floor(n / 2); // without the middle: names differ at their ends
  return words.length > n ? `${words.slice(0, n - 1 - last)}…${words.slice(words.length - last)}` : words;
}

function scoreAxis(svg, y, width) {
  for (const tick of niceTicks(y.low, y.high)) {
    svg.append(make("line", { class: "grid", x1: 52, x2: width - 8, y1: y(tick), y2: y(tick) }));
    write(svg, 46, y(tick) + 4, text(tick), "end");
  }
}

function scoreScale(also = []) {
  const inside = also.filter(known);
  const low = Math.min(...data.range, ...inside), high = Math.max(...data.range, ...inside);
  const margin = 0.06 * (high - low || 1);
  return linear(low - margin, high + margin, HEIGHT - 34, 10);
}

function point(trial, x, y) {
  if (trial.isDefault) return make("path", { class: "default", d: `M${x - 6} ${y}L${x} ${y - 6}L${x + 6} ${y}L${x} ${y + 6}Z` });
  if (known(trial.score)) return make("circle", { class: "trial", cx: x, cy: y, r: 4, fill: shade(trial.score) });
  return make("circle", { class: "hollow", cx: x, cy: y, r: 3.5, stroke: shade(trial.expected) });
}

function star(x, y) {
  const corners = Array.from({ length: 10 }, (_, k) => {
    const r = k % 2 ? 4 : 10, angle = (k * Math.PI) / 5 - Math.PI / 2;
    return [x + r * Math.cos(angle), y + r * Math.sin(angle)];
  });
  return make("path", { class: "star", d: path(corners) + "Z" });
}

// --- the pictures

function drawConvergence(plot, width) {
  const svg = plot.svg, points = [];
  const y = scoreScale([...data.honest.map((pair) => pair[1]), ...data.interval ?? [], ...data.heldOut.map((pair) => pair[1])]);
  const x = linear(0.5, trials.length + 0.5, 58, width - 10);
  scoreAxis(svg, y, width);
  if (data.interval) {
    const [low, high] = data.interval;
    svg.append(make("rect", { class: "band", x: 52, width: width - 60, y: y(high), height: y(low) - y(high) }));
  }
  for (const tick of niceTicks(1, trials.length)) if (Number.isInteger(tick)) write(svg, x(tick), HEIGHT - 14, tick);
  write(svg, width - 8, HEIGHT - 1, "trial", "end");
  for (const [name, score] of data.honest) {
    svg.append(make("path", { class: "model dashed", d: path([[52, y(score)], [width - 8, y(score)]]) }));
    write(svg, width - 8, y(score) - 4, `best, ${name}`, "end");
  }
  const steps = (pairs) => {
    const line = [];
    pairs.forEach(([i, score], k) => {
      line.push([x(i + 1), y.clamp(score)], [k + 1 < pairs.length ? x(pairs[k + 1][0] + 1) : x(trials.length), y.clamp(score)]);
    });
    return path(line);
  };
  if (data.heldOut.length) svg.append(make("path", { class: "model", d: steps(data.heldOut) }));
  let best = null;
  const incumbents = [];
  trials.forEach((trial, i) => {
    const at = trial.score ?? trial.expected;
    if (known(trial.score) && (best === null || (data.greater ? trial.score > best : trial.score < best))) {
      best = trial.score;
      incumbents.push([i, best]);
    }
    const height = known(at) ? y.clamp(at) : HEIGHT - 34;
    const element = known(at)
      ? point(trial, x(i + 1), height)
      : make("path", { class: "failed", d: `M${x(i + 1) - 4} ${height - 4}l8 8m0 -8l-8 8` });
    addMark(plot, i, element);
    points.push([i, x(i + 1), height]);
  });
  if (incumbents.length) svg.append(make("path", { class: "best", d: steps(incumbents) }));
  if (data.best !== null) svg.append(star(x(data.best + 1), y.clamp(trials[data.best].score)));
  pointing(plot, points);
}

function drawParallel(plot, width) {
  const svg = plot.svg, top = 14, bottom = HEIGHT - 44, n = data.parallel.length, left = width > 500 ? 110 : 62;
  const isMissing = trials.some((trial) => trial.u.some((u) => u === null));
  const y = linear(isMissing ? -0.13 : 0, 1, bottom, top);
  const x = linear(0, n, left, width - 20), gap = (width - 20 - left) / n;
  const counts = new Map(), lines = [];
  const order = trials.map((_, i) => i).filter((i) => known(trials[i].expected));
  const sign = data.greater ? 1 : -1;
  order.sort((a, b) => sign * (trials[a].expected - trials[b].expected));
  const score = linear(...data.range, 0, 1);
  for (const i of order) {
    const line = data.parallel.map((a, j) => {
      const u = trials[i].u[a], axis = data.axes[a];
      if (u === null) return [x(j), y(-0.12)];
      let shift = 0;
      if (axis.levels) { // those of one level side by side
        const key = `${j} ${u}`, k = counts.get(key) ?? 0;
        counts.set(key, k + 1);
        shift = ((k % 9) - 4) * 0.02 / Math.max(1, axis.ticks.length / 4);
      }
      return [x(j), y(u + shift)];
    });
    line.push([x(n), y(Math.min(1, Math.max(0, score(trials[i].expected))))]);
    addMark(plot, i, make("path", { class: "line", d: path(line), stroke: shade(trials[i].expected) }));
    lines.push([i, line]);
  }
  const chosen = lines.find(([i]) => i === data.best);
  if (chosen) svg.append(make("path", { class: "best", d: path(chosen[1]) }));
  data.parallel.forEach((a, j) => {
    const axis = data.axes[a];
    svg.append(make("line", { class: "axis", x1: x(j), x2: x(j), y1: y(0), y2: y(1) }));
    for (const [u, words] of axis.ticks) write(svg, x(j) - 5, y(u) + 4, shorten(words, Math.max(3, Math.floor(((j ? gap : left) - 12) / 7))), "end");
    const label = make("text", { class: "name", x: x(j), y: HEIGHT - (j % 2 && gap < 80 ? 8 : 22), "text-anchor": "middle" }, shorten(axis.label, Math.max(5, Math.floor(gap / (gap < 80 ? 4 : 7)))));
    label.append(make("title", {}, axis.name));
    svg.append(label);
  });
  if (isMissing) write(svg, 4, y(-0.12) + 4, "none", "start");
  svg.append(make("line", { class: "axis", x1: x(n), x2: x(n), y1: y(0), y2: y(1) }));
  for (const tick of niceTicks(Math.min(...data.range), Math.max(...data.range))) write(svg, x(n) - 5, y(score(tick)) + 4, text(tick), "end");
  write(svg, width - 2, HEIGHT - 22, shorten(data.score, 14), "end", { class: "name" });
  pointingAtLines(plot, lines);
}

function drawParameter(plot, width, j) {
  const svg = plot.svg, axis = data.axes[j], points = [];
  const y = scoreScale((axis.dependence ?? []).map((pair) => pair[1])), x = linear(0, 1, 66, width - 22);
  scoreAxis(svg, y, width);
  const room = Math.max(3, Math.floor((width - 90) / axis.ticks.length / 7.5) - 1);
  for (const [u, words] of axis.ticks) write(svg, x(u), HEIGHT - 14, shorten(words, room));
  const counts = new Map();
  trials.forEach((trial, i) => {
    if (trial.u[j] === null || !known(trial.expected)) return;
    const k = counts.get(trial.u[j]) ?? 0;
    counts.set(trial.u[j], k + 1);
    const shift = axis.levels ? ((k % 13) - 6) * 2.5 : 0;
    const at = [x(trial.u[j]) + shift, y.clamp(trial.expected)];
    addMark(plot, i, point(trial, ...at));
    points.push([i, ...at]);
  });
  const mean = (axis.dependence ?? []).filter((pair) => known(pair[1])).map(([u, score]) => [x(u), y(score)]);
  if (mean.length) svg.append(make("path", { class: axis.levels ? "model dashed" : "model", d: path(mean) }));
  if (axis.levels) for (const [cx, cy] of mean) svg.append(make("rect", { class: "model", x: cx - 4, y: cy - 4, width: 8, height: 8 }));
  const best = points.find(([i]) => i === data.best);
  if (best) svg.append(star(best[1], best[2]));
  pointing(plot, points);
}

function drawImportance(plot, width) {
  const svg = plot.svg, bars = data.importance, room = Math.min(190, 0.42 * width);
  const longest = Math.max(...bars.map((bar) => bar.total ?? bar.share), 1e-9);
  const x = linear(0, longest, room, width - 52), step = (HEIGHT - 8) / Math.max(bars.length, 6);
  bars.forEach((bar, k) => {
    const top = 4 + k * step, height = step * 0.7;
    if (known(bar.total)) svg.append(make("rect", { class: "bar total", x: room, y: top, width: x(bar.total) - room, height }));
    svg.append(make("rect", { class: known(bar.total) ? "bar" : "bar pair", x: room, y: top, width: Math.max(0, x(bar.share) - room), height }));
    const label = make("text", { class: "name", x: room - 6, y: top + height / 2 + 4, "text-anchor": "end" }, shorten(bar.label, Math.floor(room / 7)));
    label.append(make("title", {}, bar.label));
    svg.append(label);
    write(svg, x(Math.max(bar.share, bar.total ?? 0)) + 5, top + height / 2 + 4, `${(100 * bar.share).toFixed(1)}%`, "start");
  });
}

function drawCurves(plot, width, curves, isLoss) {
  const svg = plot.svg, lines = [];
  const all = Object.values(curves).flat().filter((pair) => known(pair[1]));
  const isLog = isLoss && all.every((pair) => pair[1] > 0);
  const height = (v) => isLog ? Math.log10(v) : v;
  const epochs = all.map((pair) => pair[0]), values = all.map((pair) => height(pair[1]));
  const low = isLoss ? values.reduce((a, b) => Math.min(a, b)) : Math.min(...data.range);
  const high = isLoss ? values.reduce((a, b) => Math.max(a, b)) : Math.max(...data.range);
  const y = linear(low, high, HEIGHT - 34, 10);
  const x = linear(Math.log2(epochs.reduce((a, b) => Math.min(a, b))), Math.log2(epochs.reduce((a, b) => Math.max(a, b))), 58, width - 14);
  for (const tick of niceTicks(low, high)) {
    svg.append(make("line", { class: "grid", x1: 52, x2: width - 8, y1: y(tick), y2: y(tick) }));
    write(svg, 46, y(tick) + 4, text(isLog ? 10 ** tick : tick, isLog ? 2 : 5), "end");
  }
  for (let e = 1; e <= 2 ** x.high; e *= 2) if (e >= 2 ** x.low) write(svg, x(Math.log2(e)), HEIGHT - 14, e);
  write(svg, width - 8, HEIGHT - 1, "epochs", "end");
  for (const [key, curve] of Object.entries(curves)) {
    const i = Number(key), line = curve.filter((pair) => known(pair[1])).map(([e, v]) => [x(Math.log2(e)), y.clamp(height(v))]);
    if (!line.length) continue;
    if (line.length === 1) line.push([line[0][0] + 4, line[0][1]]);
    const known_ = trials[i].expected;
    addMark(plot, i, make("path", { class: i === data.best ? "best" : "line", d: path(line), stroke: known(known_) ? shade(known_) : "currentColor" }));
    lines.push([i, line]);
  }
  pointingAtLines(plot, lines);
}

function buildPlots() {
  const n = trials.length, scored = trials.filter((trial) => known(trial.score)).length;
  const best = data.best === null ? "None has a score." : `The best, trial ${data.best + 1}, has ${text(trials[data.best].score)}.`;
  const marks = ["star: the best"];
  if (trials.some((trial) => trial.isDefault)) marks.push("diamond: the default");
  if (trials.some((trial) => !known(trial.score) && known(trial.expected))) marks.push("hollow: stopped, where it would have ended");
  if (trials.some((trial) => !known(trial.expected))) marks.push("cross: without a score");
  if (data.heldOut.length) marks.push("green steps: the best so far on rows held out");
  addPlot(`${data.score} of the trials, and the best so far`, `${data.score} of ${n} trials in order, of which ${scored} have a score. ${best}`, drawConvergence, true, make("span", { class: "soft" }, marks.join("; ")));
  addPlot("All values of each trial", `A line for each trial through ${data.parallel.length} parameters and its ${data.score}. The table has the same numbers.`, drawParallel, true);
  if (data.axes.length) {
    const choice = make("select", {}, ...data.axes.map((axis, j) => make("option", { value: j }, axis.name)));
    choice.value = data.foremost;
    const label = make("label", { class: "soft" }, "by ", choice);
    const note = data.axes.some((axis) => axis.dependence) ? "Trials, and the mean over all else as a model has it" : "Trials";
    const plot = addPlot(note, "", (p, width) => {
      const j = Number(choice.value), line = data.axes[j].dependence;
      let words = `${data.score} of the trials by ${data.axes[j].name}.`;
      if (line) {
        const top = line.filter((pair) => known(pair[1])).reduce((a, b) => ((data.greater ? b[1] > a[1] : b[1] < a[1]) ? b : a));
        const near = data.axes[j].ticks.reduce((a, b) => (Math.abs(b[0] - top[0]) < Math.abs(a[0] - top[0]) ? b : a));
        words += ` The mean over all else is best near ${near[1]}.`;
      }
      p.svg.setAttribute("aria-label", words);
      drawParameter(p, width, j);
    }, false, label);
    choice.addEventListener("change", plot.draw);
  }
  if (data.importance) {
    const words = data.importance.map((bar) => `${bar.label} ${(100 * bar.share).toFixed(1)}%`).join(", ");
    const trust = data.explained > 0 ? `the model predicts ${Math.round(100 * data.explained)}% of the variance of trials left out` : "the model predicts no trial that it has not seen: do not trust it";
    addPlot("Shares of the score's variance", `Shares of the variance: ${words}.`, drawImportance, false, make("span", { class: "soft" }, trust));
  }
  if (Object.keys(data.partial).length) addPlot(`${data.score} after few epochs and more`, "A line for each trial, up to the epochs that it had.", (p, w) => drawCurves(p, w, data.partial, false));
  if (Object.keys(data.losses).length) addPlot("Loss in training", "A line for each trial: its loss in training by epoch.", (p, w) => drawCurves(p, w, data.losses, true));
  if (data.modelless) document.querySelector("#pictures .hint").append(` No model: ${data.modelless}`);
}

// --- the table

const rows = [];
let columns = [], sorted = { column: 0, isRising: true };

function buildTable() {
  const hasSeconds = trials.some((trial) => known(trial.seconds)), hasStd = trials.some((trial) => known(trial.std));
  columns = [
    { name: "trial", value: (trial, i) => i + 1 },
    { name: "score", title: data.score, value: (trial) => trial.score },
    ...(hasStd ? [{ name: "std", title: "±", digits: 2, value: (trial) => trial.std }] : []),
    ...data.names.map((name, k) => ({ name, value: (trial) => trial.values[k] })),
    ...(hasSeconds ? [{ name: "seconds", digits: 3, value: (trial) => trial.seconds }] : []),
    { name: "state", value: (trial) => trial.state + (trial.isDefault ? ", default" : "") },
  ];
  const head = make("tr", {}, ...columns.map((column, k) => {
    const button = make("button", { type: "button" }, column.title ?? column.name);
    button.addEventListener("click", () => sort(k));
    return make("th", { scope: "col" }, button);
  }));
  document.getElementById("head").append(head);
  trials.forEach((trial, i) => rows.push(buildRow(trial, i)));
  sort(0);
}

function buildRow(trial, i) {
  const button = make("button", { type: "button", "aria-expanded": "false" }, String(i + 1));
  button.setAttribute("aria-label", `Trial ${i + 1}: show its folds`);
  const row = make("tr", i === data.best ? { class: "chosen" } : {}, make("td", {}, button));
  for (const column of columns.slice(1)) {
    const value = column.value(trial, i);
    const kind = typeof value === "number" ? "number" : String(value ?? "").length > 40 ? "long" : "";
    row.append(make("td", { class: kind }, text(value, column.digits)));
  }
  row.words = [...row.cells].map((cell) => cell.textContent).concat(trial.note).join("\n").toLowerCase();
  button.addEventListener("click", () => toggle(row, trial, i, button));
  row.addEventListener("pointerenter", () => mark(i));
  row.addEventListener("pointerleave", () => mark(null));
  row.addEventListener("focusin", () => mark(i));
  row.addEventListener("focusout", () => mark(null));
  return row;
}

function toggle(row, trial, i, button) {
  const isOpen = button.getAttribute("aria-expanded") === "true";
  button.setAttribute("aria-expanded", String(!isOpen));
  if (isOpen) {
    row.detail.remove();
    row.detail = null;
    return;
  }
  const cell = make("td", { colspan: columns.length });
  if (trial.note) cell.append(make("p", {}, trial.note));
  if (trial.folds.length) {
    const cells = (tag, values) => make("tr", {}, ...values.map((value) => make(tag, tag === "th" ? { scope: "col" } : { class: "number" }, value)));
    cell.append(make("table", { "aria-label": `Folds of trial ${i + 1}` },
      cells("th", trial.folds.map((_, k) => `fold ${k + 1}`)),
      cells("td", trial.folds.map((score) => known(score) ? text(score) : "none"))));
  } else if (!trial.note) cell.append("It has no folds.");
  row.detail = make("tr", { class: "detail" }, cell);
  row.after(row.detail);
}

function compare(a, b) {
  if (known(a) !== known(b)) return known(a) ? -1 : 1; // what is not there comes last, either way
  if (!known(a)) return 0;
  const order = typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
  return sorted.isRising ? order : -order;
}

function sort(k) {
  const isNew = sorted.column !== k;
  const isBestFirst = k === 1 && data.greater; // of scores the best come first
  sorted = { column: k, isRising: isNew ? !isBestFirst : rows.hasOrder ? !sorted.isRising : true };
  rows.hasOrder = true;
  const value = columns[k].value;
  const order = trials.map((_, i) => i).sort((a, b) => compare(value(trials[a], a), value(trials[b], b)) || a - b);
  const body = document.getElementById("rows");
  body.replaceChildren(...order.flatMap((i) => rows[i].detail ? [rows[i], rows[i].detail] : [rows[i]]));
  [...document.getElementById("head").rows[0].cells].forEach((cell, c) => {
    if (c === k) cell.setAttribute("aria-sort", sorted.isRising ? "ascending" : "descending");
    else cell.removeAttribute("aria-sort");
  });
}

/** Whether a trial is one of those asked for: it meets each condition and has each word. */
function filterBy(query) {
  const tests = [];
  const rest = query.replace(/([^\s<>=]+)\s*(<=|>=|<|>|=)\s*(\S+)/g, (whole, name, sign, bound) => {
    const column = columns.find((each) => [each.name, each.title].includes(name) || each.name.endsWith(`__${name}`));
    if (!column) return whole;
    tests.push((trial, i) => {
      const value = column.value(trial, i), number = Number(bound);
      if (!known(value)) return false;
      if (sign === "=") return text(value).toString().toLowerCase() === bound.toLowerCase() || value === number;
      return { "<": value < number, ">": value > number, "<=": value <= number, ">=": value >= number }[sign];
    });
    return " ";
  });
  const words = rest.toLowerCase().split(/\s+/).filter(Boolean);
  return (trial, i) => tests.every((test) => test(trial, i)) && words.every((word) => rows[i].words.includes(word));
}

function filter() {
  const query = document.getElementById("filter").value, test = filterBy(query);
  isShown = trials.map(test);
  rows.forEach((row, i) => {
    row.hidden = !isShown[i];
    if (row.detail) row.detail.hidden = row.hidden;
  });
  plots.forEach(dim);
  document.getElementById("count").textContent = query ? `${isShown.filter(Boolean).length} of ${trials.length}` : "";
}

// --- the code, and the page

async function copy() {
  const code = document.getElementById("code"), said = document.getElementById("copied");
  try {
    await navigator.clipboard.writeText(code.textContent);
    said.textContent = "Copied.";
  } catch { // an old browser, or one that does not allow it: selected, for the user to copy
    getSelection().selectAllChildren(code);
    said.textContent = "Selected: copy it with your keyboard.";
  }
}

buildTable();
buildPlots();
plots.forEach((plot) => plot.draw());
document.getElementById("filter").addEventListener("input", filter);
document.getElementById("copy").addEventListener("click", copy);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && pinned !== null) pin(pinned);
});
dark.addEventListener("change", () => plots.forEach((plot) => plot.draw()));
let waiting = 0, lastWidth = innerWidth;
addEventListener("resize", () => {
  if (innerWidth === lastWidth) return;
  lastWidth = innerWidth;
  cancelAnimationFrame(waiting);
  waiting = requestAnimationFrame(() => plots.forEach((plot) => plot.draw()));
});
