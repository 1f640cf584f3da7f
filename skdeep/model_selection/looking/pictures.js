// What is drawn in each picture.

const path = (line) => line.map(([x, y], k) => `${k ? "L" : "M"}${x.toFixed(1)} ${y.toFixed(1)}`).join("");

function write(svg, x, y, words, anchor = "middle", attributes = {}) {
  svg.append(make("text", { x, y, "text-anchor": anchor, ...attributes }, String(words)));
}

/** A name in full where it is pointed at, and short on the picture. */
function writeName(svg, x, y, short, full, anchor) {
  const name = make("text", { class: "name", x, y, "text-anchor": anchor }, short);
  name.append(make("title", {}, full));
  svg.append(name);
}

/** How many letters there is room for. */
const fitting = (pixels) => Math.max(3, Math.floor(pixels / 7));

function shorten(words, n) {
  const last = Math.floor(n / 2); // without the middle: names differ at their ends
  return words.length > n ? `${words.slice(0, n - 1 - last)}…${words.slice(words.length - last)}` : words;
}

/** Lines across a picture at round numbers of y, which are written to the left of them. */
function heightAxis(svg, y, width) {
  y.ticks.forEach((tick, k) => {
    svg.append(make("line", { class: "grid", x1: y.left, x2: width - 8, y1: y(tick), y2: y(tick) }));
    write(svg, y.left - 6, y(tick) + 4, y.texts[k], "end");
  });
}

/** A scale with ticks, their texts, and the room that these need. */
function withTicks(y, ticks, texts) {
  return Object.assign(y, { ticks, texts, left: Math.max(52, 12 + 7 * Math.max(0, ...texts.map((t) => t.length))) });
}

function scoreScale(also = []) {
  const inside = also.filter(known);
  const low = Math.min(...data.range, ...inside), high = Math.max(...data.range, ...inside);
  const margin = 0.06 * (high - low || Math.abs(high) || 1);
  const y = linear(low - margin, high + margin, HEIGHT - 34, 10);
  const ticks = trials.some((trial) => known(trial.expected)) ? niceTicks(y.low, y.high) : [];
  return withTicks(y, ticks, written(ticks));
}

function point(trial, x, y) {
  if (trial.isDefault) return make("path", { class: "default", d: `M${x - 6} ${y}l6 -6l6 6l-6 6Z` });
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

const DASHES = ["dashed", "dotted"]; // of the honest scores

function drawConvergence(plot, width) {
  const svg = plot.svg, points = [];
  const honest = [...data.honest, ...data.heldOut].map((pair) => pair[1]);
  const y = scoreScale([...honest, ...(data.interval ?? [])]);
  const x = linear(-0.5, trials.length - 0.5, y.left + 6, width - 10);
  heightAxis(svg, y, width);
  if (data.interval) {
    const [low, high] = data.interval;
    svg.append(make("rect", { class: "band", x: y.left, width: width - 8 - y.left, y: y(high), height: y(low) - y(high) }));
  }
  for (const tick of niceTicks(0, trials.length - 1)) if (Number.isInteger(tick)) write(svg, x(tick), HEIGHT - 14, tick);
  write(svg, width - 8, HEIGHT - 1, "trial", "end");
  data.honest.forEach(([, score], k) => {
    const line = [[y.left, y(score)], [width - 8, y(score)]];
    svg.append(make("path", { class: `model ${DASHES[k]}`, d: path(line) }));
  });
  const steps = (pairs) => {
    const line = [];
    pairs.forEach(([i, score], k) => {
      const end = k + 1 < pairs.length ? pairs[k + 1][0] : trials.length - 1;
      line.push([x(i), y.clamp(score)], [x(end), y.clamp(score)]);
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
      ? point(trial, x(i), height)
      : make("path", { class: "failed", d: `M${x(i) - 4} ${height - 4}l8 8m0 -8l-8 8` });
    addMark(plot, i, element);
    points.push([i, x(i), height]);
  });
  if (incumbents.length) svg.append(make("path", { class: "best", d: steps(incumbents) }));
  if (data.best !== null) svg.append(star(x(data.best), y.clamp(trials[data.best].score)));
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
    const room = fitting((j ? gap : left) - 12);
    for (const [u, words] of axis.ticks) {
      write(svg, x(j) - 5, y(u) + 4, axis.levels ? shorten(words, room) : words, "end");
    }
    const isLow = gap < 80 && j % 2; // narrow: every other name a line below, with twice the room
    const label = shorten(axis.label, Math.max(5, fitting(gap < 80 ? 1.8 * gap : gap)));
    writeName(svg, x(j), HEIGHT - (isLow ? 8 : 22), label, axis.name, "middle");
  });
  if (isMissing) write(svg, 4, y(-0.12) + 4, "none", "start");
  svg.append(make("line", { class: "axis", x1: x(n), x2: x(n), y1: y(0), y2: y(1) }));
  const numbers = niceTicks(Math.min(...data.range), Math.max(...data.range));
  const texts = written(numbers);
  numbers.forEach((number, k) => write(svg, x(n) - 5, y(score(number)) + 4, texts[k], "end"));
  write(svg, width - 2, HEIGHT - 22, shorten(data.score, 14), "end", { class: "name" });
  pointingAtLines(plot, lines);
}

function drawParameter(plot, width, j) {
  const svg = plot.svg, axis = data.axes[j], points = [];
  const y = scoreScale((axis.dependence ?? []).map((pair) => pair[1]));
  const x = linear(0, 1, y.left + 14, width - 22);
  heightAxis(svg, y, width);
  const room = Math.max(3, fitting((width - 38 - y.left) / axis.ticks.length) - 1);
  for (const [u, words] of axis.ticks) write(svg, x(u), HEIGHT - 14, axis.levels ? shorten(words, room) : words);
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
  for (const [cx, cy] of axis.levels ? mean : []) {
    svg.append(make("rect", { class: "model", x: cx - 4, y: cy - 4, width: 8, height: 8 }));
  }
  const best = points.find(([i]) => i === data.best);
  if (best) svg.append(star(best[1], best[2]));
  pointing(plot, points);
}

/** What a bar stands for: a share, of a parameter that of all it takes part in, too. */
function percentages(bar) {
  const percent = (share) => `${(100 * share).toFixed(1)}%`;
  return known(bar.total) ? `${percent(bar.share)} of ${percent(bar.total)}` : percent(bar.share);
}

function drawImportance(plot, width) {
  const svg = plot.svg, bars = data.importance, room = Math.min(190, 0.42 * width);
  const longest = Math.max(...bars.map((bar) => bar.total ?? bar.share), 1e-9);
  const x = linear(0, longest, room, width - 112), step = (HEIGHT - 8) / Math.max(bars.length, 6);
  bars.forEach((bar, k) => {
    const y = 4 + k * step, height = step * 0.7, middle = y + height / 2 + 4;
    const addBar = (kind, share) => {
      svg.append(make("rect", { class: kind, x: room, y, width: Math.max(0, x(share) - room), height }));
    };
    if (known(bar.total)) addBar("bar total", bar.total);
    addBar(known(bar.total) ? "bar" : "bar pair", bar.share);
    writeName(svg, room - 6, middle, shorten(bar.label, fitting(room)), bar.label, "end");
    write(svg, x(Math.max(bar.share, bar.total ?? 0)) + 5, middle, percentages(bar), "start");
  });
}

/** Whether a score after few epochs is out of all proportion, and stands at the edge. */
function isBeyond(score) {
  return known(score) && (score < Math.min(...data.partialRange) || score > Math.max(...data.partialRange));
}

function drawCurves(plot, width, curves, isLoss) {
  const svg = plot.svg, lines = [];
  const all = Object.values(curves).flat().filter((pair) => known(pair[1]));
  const isLog = isLoss && all.every((pair) => pair[1] > 0);
  const height = (v) => isLog ? Math.log10(v) : v;
  const ends = (values) => [values.reduce((p, q) => Math.min(p, q)), values.reduce((p, q) => Math.max(p, q))];
  const [low, high] = ends(isLoss ? all.map((pair) => height(pair[1])) : data.partialRange);
  const ticks = niceTicks(low, high);
  const texts = isLog ? ticks.map((tick) => text(10 ** tick, 2)) : written(ticks);
  const y = withTicks(linear(low, high, HEIGHT - 34, 10), ticks, texts);
  const x = linear(...ends(all.map((pair) => Math.log2(pair[0]))), y.left + 6, width - 14);
  heightAxis(svg, y, width);
  for (let e = 1; e <= 2 ** x.high; e *= 2) if (e >= 2 ** x.low) write(svg, x(Math.log2(e)), HEIGHT - 14, e);
  write(svg, width - 8, HEIGHT - 1, "epochs", "end");
  for (const [key, curve] of Object.entries(curves)) {
    const i = Number(key), points = curve.filter((pair) => known(pair[1]));
    const line = points.map(([e, v]) => [x(Math.log2(e)), y.clamp(height(v))]);
    if (!line.length) continue;
    if (line.length === 1) line.push([line[0][0] + 4, line[0][1]]);
    const score = trials[i].expected, stroke = known(score) ? shade(score) : "currentColor";
    const drawn = make("g", {}, make("path", { class: i === data.best ? "best" : "line", d: path(line), stroke }));
    points.forEach(([, v], k) => {
      if (isLoss || !isBeyond(v)) return;
      const [cx, cy] = line[k], tip = y(v) > cy ? 6 : -6;
      drawn.append(make("path", { class: "failed", d: path([[cx - 4, cy], [cx, cy + tip], [cx + 4, cy]]) }));
    });
    addMark(plot, i, drawn);
    lines.push([i, line]);
  }
  pointingAtLines(plot, lines);
}

function buildPlots() {
  addConvergence();
  addPlot({
    title: "All values of each trial",
    alternative:
      `A line for each trial through ${data.parallel.length} parameters and its ${data.score}. ` +
      "The table has the same numbers.",
    draw: drawParallel,
    isWide: true,
  });
  addParameter();
  if (data.importance) addImportance();
  if (Object.keys(data.partial).length) {
    addPlot({
      title: `${data.score} after few epochs and more`,
      alternative: "A line for each trial, up to the epochs that it had.",
      control: Object.values(data.partial).flat().some((pair) => isBeyond(pair[1]))
        ? make("span", { class: "soft" }, "arrow: beyond the picture")
        : null,
      draw: (plot, width) => drawCurves(plot, width, data.partial, false),
    });
  }
  if (Object.keys(data.losses).length) {
    addPlot({
      title: "Loss by epoch",
      alternative: "A line for each trial: its loss by epoch.",
      control: make("span", { class: "soft" }, "of rows held out where the network had any, else of those it learnt from"),
      draw: (plot, width) => drawCurves(plot, width, data.losses, true),
    });
  }
  if (data.modelless) document.querySelector("#pictures .hint").append(` No model: ${data.modelless}`);
}

function addConvergence() {
  const scored = trials.filter((trial) => known(trial.score)).length;
  let best = "None has a score.";
  if (data.best !== null) best = `The best, trial ${data.best}, has ${text(trials[data.best].score)}.`;
  const marks = ["star: the best"];
  const hasStopped = trials.some((trial) => !known(trial.score) && known(trial.expected));
  if (trials.some((trial) => trial.isDefault)) marks.push("diamond: the default");
  if (hasStopped) marks.push("hollow: stopped, where it would have ended");
  if (trials.some((trial) => !known(trial.expected))) marks.push("cross: without a score");
  data.honest.forEach(([name], k) => marks.push(`${DASHES[k]}: the best, ${name}`));
  if (data.heldOut.length) marks.push("green steps: the best so far on rows held out");
  addPlot({
    title: `${data.score} of the trials, and the best so far`,
    alternative: `${data.score} of ${trials.length} trials in order, of which ${scored} have a score. ${best}`,
    draw: drawConvergence,
    isWide: true,
    control: make("span", { class: "soft" }, marks.join("; ")),
  });
}

function addParameter() {
  const choice = make("select", {}, ...data.axes.map((axis, j) => make("option", { value: j }, axis.name)));
  choice.value = data.foremost;
  const hasModel = data.axes.some((axis) => axis.dependence);
  const plot = addPlot({
    title: hasModel ? "Trials, and the mean over all else as a model has it" : "Trials",
    alternative: "",
    draw: (plot, width) => {
      const axis = data.axes[choice.value];
      plot.svg.setAttribute("aria-label", `${data.score} of the trials by ${axis.name}.${bestMean(axis)}`);
      drawParameter(plot, width, Number(choice.value));
    },
    control: make("label", { class: "soft" }, "by ", choice),
  });
  choice.addEventListener("change", plot.draw);
}

/** Where a parameter's mean is best, in words. */
function bestMean(axis) {
  const line = (axis.dependence ?? []).filter((pair) => known(pair[1]));
  if (!line.length || !axis.ticks.length) return "";
  const sign = data.greater ? 1 : -1;
  const top = line.reduce((a, b) => (sign * b[1] > sign * a[1] ? b : a));
  const near = axis.ticks.reduce((a, b) => (Math.abs(b[0] - top[0]) < Math.abs(a[0] - top[0]) ? b : a));
  return ` The mean over all else is best near ${near[1]}.`;
}

function addImportance() {
  const words = data.importance.map((bar) => `${bar.label} ${percentages(bar)}`);
  addPlot({
    title: "Shares of the score's variance",
    alternative: `Shares of the variance: ${words.join(", ")}.`,
    draw: drawImportance,
    control: make("span", { class: "soft" },
      `${data.trust}; dark: alone (first-order Sobol index), pale: with its interactions (total index)` +
      (data.importance.some((bar) => !known(bar.total)) ? ", orange: a pair (second-order index)" : "")),
  });
}
