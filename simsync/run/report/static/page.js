/* Unpacks what the page holds in compressed form, draws the charts, and fills, filters and expands the tables. */
"use strict";
(() => {
  const NARROW = 680; // pixels of a printed chart

  async function unpack(id) {
    const bytes = Uint8Array.from(atob(document.getElementById(id).textContent.trim()), (one) => one.charCodeAt(0));
    return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).text();
  }

  function element(name, text, attributes = {}) {
    const made = document.createElement(name);
    if (text !== null) made.textContent = text;
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    return made;
  }

  const short = (text) => (text.length <= 14 ? text : `${text.slice(0, 6)}…${text.slice(-4)}`);
  const grouped = (value) => (value === null ? "–" : value.toLocaleString("en-US"));

  function cell(kind, value, row) {
    if (kind === "signature") {
      const made = element("td", null, { class: "id", "data-sort": value });
      made.append(element("a", short(value), { href: row.link, title: value, rel: "noreferrer noopener" }));
      return made;
    }
    if (kind === "number" || kind === "difference") {
      const sign = kind === "difference" && value > 0 ? "+" : "";
      return element("td", sign + grouped(value), { class: "n", "data-sort": value === null ? "" : value });
    }
    if (kind === "slot") return element("td", value === null ? "–" : String(value), { class: "n" });
    if (kind === "kind") {
      const made = element("td", null);
      made.append(element("span", value, { class: `mark ${row.tone}` }));
      return made;
    }
    return element("td", value, { class: value === "ok" ? "good" : "text" });
  }

  function fill(table, content) {
    const body = table.tBodies[0];
    for (const row of content.rows) {
      const made = element("tr", null);
      content.kinds.forEach((kind, index) => made.append(cell(kind, row.cells[index], row)));
      const last = element("td", null, { class: "n details" });
      if (row.logs.length) {
        const name = `logs of ${row.cells[content.kinds.indexOf("signature")]}`;
        last.append(element("button", "logs", { type: "button", "aria-expanded": "false", "aria-label": name }));
      }
      made.append(last);
      made.content = row;
      made.searched = [...row.cells, ...row.logs.map((one) => one.text)].join("\n").toLowerCase();
      body.append(made);
    }
  }

  function expand(button) {
    const row = button.closest("tr");
    const open = button.getAttribute("aria-expanded") === "true";
    button.setAttribute("aria-expanded", String(!open));
    if (open) {
      row.nextElementSibling.remove();
      return;
    }
    const made = element("tr", null, { class: "detail" });
    const across = element("td", null, { colspan: row.cells.length });
    const inside = element("div", null);
    inside.append(element("p", row.content.signature, { class: "id" }));
    for (const { title, text } of row.content.logs) {
      if (title) inside.append(element("h4", title));
      inside.append(element("pre", text, { tabindex: "0" }));
    }
    across.append(inside);
    made.append(across);
    row.after(made);
  }

  function collapse(table) {
    for (const button of table.querySelectorAll('button[aria-expanded="true"]')) expand(button);
  }

  function filter(form) {
    const table = document.getElementById(form.dataset.table);
    const words = form.elements.text.value.toLowerCase();
    const kind = form.elements.kind ? form.elements.kind.value : "";
    collapse(table);
    let shown = 0;
    for (const row of table.tBodies[0].rows) {
      const matches = row.searched.includes(words) && (!kind || row.content.kind === kind);
      row.hidden = !matches;
      shown += matches;
    }
    form.querySelector("output").textContent = `${shown} of ${table.tBodies[0].rows.length} rows`;
  }

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[aria-expanded]");
    if (button) expand(button);
  });
  document.addEventListener("sort-start", (event) => collapse(event.target));
  document.addEventListener("sort-end", (event) => {
    // Sorting puts a copy in the place of the body; its rows are the same.
    const form = document.querySelector(`form[data-table="${event.target.id}"]`);
    if (form) filter(form);
  });
  for (const form of document.querySelectorAll("form[data-table]")) {
    form.addEventListener("input", () => filter(form));
    form.addEventListener("submit", (event) => event.preventDefault());
  }

  async function main() {
    if (!("DecompressionStream" in window)) {
      document.getElementById("old").hidden = false;
      return;
    }
    const data = JSON.parse(await unpack("data"));
    for (const [id, content] of Object.entries(data.tables)) {
      fill(document.getElementById(id), content);
      filter(document.querySelector(`form[data-table="${id}"]`));
    }
    if (!data.figures.length) return;
    document.head.append(element("script", await unpack("plotly")));
    const charts = data.figures.map((figure, index) => {
      const chart = document.getElementById(`chart-${index + 1}`);
      Plotly.newPlot(chart, figure.data, figure.layout, { displayModeBar: false, responsive: true });
      return chart;
    });
    addEventListener("beforeprint", () => charts.forEach((chart) => Plotly.relayout(chart, { width: NARROW })));
    addEventListener("afterprint", () => charts.forEach((chart) => Plotly.relayout(chart, { width: null, autosize: true })));
  }
  main();
})();
