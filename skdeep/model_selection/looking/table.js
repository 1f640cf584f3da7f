// The table of trials, which is sorted and filtered, and the start of the page.

const rows = [];
let columns = [], sorted = { column: 0, isRising: true };

function buildTable() {
  const hasSeconds = trials.some((trial) => known(trial.seconds)), hasStd = trials.some((trial) => known(trial.std));
  columns = [
    { name: "trial", value: (trial, i) => i },
    { name: "score", title: data.score, value: (trial) => trial.score },
    ...(Object.keys(data.partial).length ? [
      { name: "epochs", value: (trial, i) => data.partial[i]?.at(-1)[0] },
      { name: "then", title: "score by then", value: (trial, i) => data.partial[i]?.at(-1)[1] },
    ] : []),
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
  const button = make("button", { type: "button", "aria-expanded": "false" }, String(i));
  button.setAttribute("aria-label", `Trial ${i}: show its folds`);
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
    const names = trial.folds.map((_, k) => make("th", { scope: "col" }, `fold ${k}`));
    const scores = trial.folds.map((s) => make("td", { class: "number" }, known(s) ? text(s) : "none"));
    const table = make("table", { "aria-label": `Folds of trial ${i}` });
    table.append(make("tr", {}, ...names), make("tr", {}, ...scores));
    cell.append(table);
  } else if (!trial.note) cell.append("It has no folds.");
  row.detail = make("tr", { class: "detail" }, cell);
  row.after(row.detail);
}

function compare(a, b) {
  if (known(a) !== known(b)) return known(a) ? -1 : 1; // what is not there comes last, either way
  if (!known(a)) return 0;
  const areNumbers = typeof a === "number" && typeof b === "number";
  const order = areNumbers ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
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

// --- the code, and the start

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
