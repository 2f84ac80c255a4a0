"use strict";
// Tables: a click on a header sorts by the numbers of the column, or by its names.
for (const table of document.querySelectorAll("table.sortable")) {
  const heads = [...table.tHead.rows[0].cells], body = table.tBodies[0];
  heads.forEach((head, column) => head.firstElementChild.addEventListener("click", () => {
    const down = head.getAttribute("aria-sort") === "ascending";
    heads.forEach(other => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", down ? "descending" : "ascending");
    const sign = down ? -1 : 1;
    const value = row => {
      const cell = row.cells[column], number = cell.dataset.number;
      if (number === undefined) return cell.textContent;
      return number === "inf" ? Infinity : number === "-inf" ? -Infinity : Number(number);
    };
    const rows = [...body.rows].map(row => [value(row), row]);
    rows.sort(([a], [b]) => {
      const [one, other] = [a, b].map(v => typeof v === "number");
      if (one !== other) return other - one;  // what is not known stays below
      if (one) return a === b ? 0 : sign * (a < b ? -1 : 1);
      return sign * a.localeCompare(b, undefined, { numeric: true });
    });
    body.append(...rows.map(([, row]) => row));
  }));
}

// Pictures: a click shows one at its full size.
const dialog = document.querySelector("dialog");
for (const button of document.querySelectorAll("button.zoom")) {
  button.addEventListener("click", () => {
    const shown = dialog.querySelector("img"), image = button.querySelector("img");
    shown.src = image.src;
    shown.alt = image.alt;
    dialog.showModal();
  });
}
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close(); });

// Sections: a link into one opens it; paper has no clicks.
function opened() {
  const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
  if (!target) return;
  for (const details of target.querySelectorAll("details.section")) details.open = true;
  target.scrollIntoView();
}
addEventListener("hashchange", opened);
for (const link of document.querySelectorAll("nav a")) {
  link.addEventListener("click", () => { if (link.hash === location.hash) opened(); });
}
addEventListener("beforeprint", () => {
  for (const details of document.querySelectorAll("details")) details.open = true;
});
opened();

// Contents: where the reader is.
const links = new Map([...document.querySelectorAll("nav a")].map(a => [a.hash.slice(1), a]));
const seen = new IntersectionObserver(entries => {
  for (const { target, isIntersecting } of entries) {
    const link = links.get(target.id);
    if (!link || !isIntersecting) continue;
    for (const other of links.values()) other.removeAttribute("aria-current");
    link.setAttribute("aria-current", "true");
  }
}, { rootMargin: "-10% 0px -80% 0px" });
for (const section of document.querySelectorAll("section")) seen.observe(section);

// Trials of the animal that is chosen: choices and rewards, weights, probabilities.
function explore(root) {
  const data = JSON.parse(root.querySelector("script").textContent);
  const select = root.querySelector("select"), plots = root.querySelector(".plots");
  const { stimuli, colours } = data, faint = "#888";
  for (const name of Object.keys(data.animals)) select.add(new Option(name, name));
  select.value = data.first;

  function plot(title, height, axis, series, columns, more = {}) {
    new uPlot({
      title, height, width: Math.max(560, plots.clientWidth - 4),
      cursor: { sync: { key: "trial" }, drag: { x: true, y: false } },
      scales: { x: { time: false, range: (u, first, last) => [first - 1, last + 1] }, y: more.scale || {} },
      axes: [{ label: "trial", labelSize: 18, grid: { stroke: "#eee" } }, { grid: { stroke: "#eee" }, size: 90, ...axis }],
      series: [{ label: "trial" }, ...series],
      bands: more.bands || [],
      hooks: { drawAxes: [u => {
        u.ctx.save();
        u.ctx.strokeStyle = faint;
        for (const start of more.starts) {
          const x = u.valToPos(start - .5, "x", true);
          u.ctx.beginPath(); u.ctx.moveTo(x, u.bbox.top); u.ctx.lineTo(x, u.bbox.top + u.bbox.height); u.ctx.stroke();
        }
        u.ctx.restore();
      }] },
    }, columns, plots);
  }

  // A forced choice has no probability of the animal's own.
  function lines(own, kind, which, left = new Set()) {
    const series = [], columns = [], bands = [];
    const real = values => values.map((v, t) => v === null || left.has(t) ? null : v / data.scale);
    for (const k of which) {
      const decimals = v => v === null || v === undefined ? "–" : v.toFixed(2);
      series.push({ label: stimuli[k], stroke: colours[k], width: 1.5, spanGaps: true, value: (u, v) => decimals(v) });
      columns.push(real(own[kind][k]));
      if (!own[kind + "_low"]) continue;
      for (const [end, word] of [["_high", "95 %"], ["_low", "5 %"]]) {
        series.push({ label: word, stroke: colours[k] + "55", spanGaps: true, points: { show: false }, value: (u, v) => decimals(v) });
        columns.push(real(own[kind + end][k]));
      }
      bands.push({ series: [columns.length - 1, columns.length], fill: colours[k] + "33" });
    }
    return { series, columns, bands };
  }

  function draw() {
    plots.replaceChildren();
    const own = data.animals[select.value], trial = own.trial, starts = own.starts;
    const forced = new Set(own.forced);
    const point = (label, fill, stroke) => ({
      label, stroke, paths: () => null, points: { show: true, size: 6, fill, stroke },
      value: (u, v) => v === null || v === undefined ? "–" : stimuli[v],
    });
    const series = [], columns = [];
    stimuli.forEach((name, k) => {
      series.push(point(`${name}, rewarded`, colours[k], colours[k]), point(`${name}, not rewarded`, "#fff", colours[k]));
      for (const rewarded of [true, false]) columns.push(trial.map((_, t) =>
        own.choice[t] === k && !forced.has(t) && (own.reward[t] > 0) === rewarded ? k : null));
    });
    if (forced.size) {
      series.push(point("forced", "#ddd", faint));
      columns.push(trial.map((_, t) => forced.has(t) ? own.choice[t] : null));
    }
    plot("choices (filled: rewarded)", 110 + 26 * stimuli.length,
      { splits: () => stimuli.map((_, k) => k), values: () => stimuli }, series, [trial, ...columns],
      { starts, scale: { range: [-.6, stimuli.length - .4] } });
    if (own.weight) {
      const w = lines(own, "weight", stimuli.map((_, k) => k));
      plot(`weights (${data.units}), before the trial`, 260, {}, w.series, [trial, ...w.columns], { starts, bands: w.bands });
    }
    const p = lines(own, "probability", stimuli.length === 2 ? [1] : stimuli.map((_, k) => k), forced);
    plot(stimuli.length === 2 ? `probability of ${stimuli[1]}` : "probability of each choice", 240, {}, p.series,
      [trial, ...p.columns], { starts, bands: p.bands, scale: { range: [-.02, 1.02] } });
  }
  select.addEventListener("change", draw);
  draw();
}
for (const root of document.querySelectorAll(".trials")) explore(root);
