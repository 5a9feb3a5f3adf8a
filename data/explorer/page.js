"use strict";
// Sorting, filtering and the dialog with raw answers. Texts of models reach the page through textContent alone.
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const byId = (id) => document.getElementById(id);
  const make = (tag, text, parent) => {
    const made = document.createElement(tag);
    if (text !== undefined) made.textContent = text;
    if (parent) parent.append(made);
    return made;
  };

  // Sorting: cells without a number stay last, equal ones keep their order.
  function sortBy(header) {
    const table = header.closest("table"), body = table.tBodies[0], column = header.cellIndex;
    const first = header.dataset.first || "ascending";
    const other = first === "ascending" ? "descending" : "ascending";
    const direction = header.getAttribute("aria-sort") === first ? other : first;
    all("thead th", table).forEach((one) => one.removeAttribute("aria-sort"));
    header.setAttribute("aria-sort", direction);
    const sign = direction === "ascending" ? 1 : -1;
    const key = (row) => row.cells[column].dataset.v;
    const rows = [...body.rows].sort((left, right) => {
      const [a, b] = [key(left), key(right)];
      if (a === undefined || b === undefined) return (a === undefined) - (b === undefined);
      return sign * (header.dataset.text ? a.localeCompare(b) : Number(a) - Number(b));
    });
    body.append(...rows);
    rove(table);
    say(`Sorted by ${header.dataset.name}, ${direction}.`);
  }

  // One cell of a table is reached by Tab, the others by the arrow keys.
  const seen = (one) => one.closest("[hidden]") === null; // needs no layout
  const cellsOf = (row) => all("td > button", row).filter(seen);
  function rove(table) {
    const found = all("tbody td > button", table);
    found.forEach((one) => { one.tabIndex = -1; });
    const first = found.find(seen);
    if (first) first.tabIndex = 0;
  }
  function move(event) {
    const at = event.target.closest("td > button");
    if (!at) return;
    const table = at.closest("table"), row = at.closest("tr"), mine = cellsOf(row);
    const rows = [...row.parentNode.rows].filter((one) => !one.hidden && cellsOf(one).length);
    const near = (there) => {
      const column = at.parentNode.cellIndex, found = cellsOf(there);
      return found.find((one) => one.parentNode.cellIndex >= column) || found.at(-1);
    };
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key], turn = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    let to;
    if (step) to = mine[mine.indexOf(at) + step];
    else if (turn) to = rows[rows.indexOf(row) + turn] && near(rows[rows.indexOf(row) + turn]);
    else if (event.key === "Home") to = mine[0];
    else if (event.key === "End") to = mine.at(-1);
    else return;
    event.preventDefault();
    if (!to) return;
    all("tbody td > button", table).forEach((one) => { one.tabIndex = -1; });
    to.tabIndex = 0;
    to.focus();
  }

  // Filters.
  const say = (text) => { byId("said").textContent = text; };
  function filter() {
    const wanted = byId("wanted").value.trim().toLowerCase(), group = byId("group").value;
    const told = document.querySelector("input[name=told]:checked").value;
    const hidden = new Set(all("input[name=kind]").filter((one) => !one.checked).map((one) => one.value));
    all("section[data-write]").forEach((one) => { one.hidden = told !== "both" && one.dataset.write !== told; });
    let shown = 0, of = 0;
    all("table.memories").forEach((table) => {
      all("thead th[data-measure]", table).forEach((head) => {
        const gone = hidden.has(head.dataset.measure);
        [...table.rows].forEach((row) => { row.cells[head.cellIndex].hidden = gone; });
      });
      const counted = !table.closest("section").hidden;
      [...table.tBodies[0].rows].forEach((row) => {
        row.hidden = !row.dataset.name.toLowerCase().includes(wanted) || (group !== "" && row.dataset.group !== group);
        if (counted) { of += 1; shown += !row.hidden; }
      });
      rove(table);
    });
    say(`${shown} of ${of} rows shown.`);
  }
  function filterClaims() {
    const status = byId("status").value, rows = all("#claims tbody tr");
    rows.forEach((row) => { row.hidden = status !== "" && row.dataset.status !== status; });
    say(`${rows.filter((row) => !row.hidden).length} of ${rows.length} claims shown.`);
  }

  // The dialog.
  const dialog = byId("answers");
  function pair(list, term, text) {
    make("dt", term, list);
    make("dd", text, list);
  }
  const ends = { exact: ["✓ right", "✗ wrong"], stale: ["! old value said", "not said"], leak: ["! another’s value said", "not said"] };
  function item(answer, measure) {
    const li = make("li"), list = make("dl", undefined, li), asked = data.questions[answer.q];
    if (!asked) { // LOCOMO: ids, never texts
      pair(list, "Question", answer.q);
      const more = answer.more ? ` and ${answer.more} more` : "";
      pair(list, "Turns in the prompt", answer.turns.length ? answer.turns.join(", ") + more : "none");
      pair(list, "Tokens of the prompt", String(answer.tokens));
      if (answer.log_prob !== null) pair(list, "Mean log-probability of the answer", String(answer.log_prob));
      if (answer.holds !== null) pair(list, "Lexical judge", answer.holds ? "✓ accepts" : "✗ refuses");
      return li;
    }
    if (asked.after) pair(list, "After the context", `… ${asked.after}`);
    pair(list, "Asked", asked.text);
    pair(list, "Right answers", asked.accepted.length ? asked.accepted.join(" · ") : "that it is not known");
    if (asked.stale) pair(list, "Old value", asked.stale);
    if (answer.lines) pair(list, "In the prompt", answer.lines.join("\n"));
    if (answer.many) pair(list, "In the prompt", `${answer.many} lines, not shown here`);
    if (answer.hits) pair(list, "Rows read", `at ${answer.hits[0]} places of the prompt, ${answer.hits[1]} of the answer`);
    if (answer.thought) pair(list, "Recited", answer.thought);
    pair(list, "Said", answer.said === "" ? "(nothing)" : answer.said);
    pair(list, "Verdict", ends[measure][answer.holds ? 0 : 1]);
    li.dataset.holds = answer.holds;
    return li;
  }
  function open(button) {
    const name = button.dataset.cell, cell = data.cells[name], measure = name.includes("|f1") ? "f1" : name.split(".").at(-1);
    const table = button.closest("table"), head = table.tHead.rows[0].cells[button.parentNode.cellIndex];
    byId("title").textContent = `${button.closest("tr").dataset.name}: ${head.dataset.name}`;
    byId("about").textContent = `${table.dataset.title}. ${button.title} ` +
      `${cell.answers.length} of ${cell.of} questions, drawn by a hash of their ids: the same ones for every memory.`;
    byId("list").replaceChildren(...cell.answers.map((one) => item(one, measure)));
    button.focus(); // not every browser does so on a click, and focus returns to where it was
    dialog.showModal();
    dialog.scrollTop = 0;
  }

  document.addEventListener("click", (event) => {
    const sorter = event.target.closest("thead th button"), cell = event.target.closest("td > button");
    if (sorter) sortBy(sorter.closest("th"));
    if (cell) open(cell);
    if (event.target === dialog) dialog.close();
  });
  document.addEventListener("keydown", move);
  byId("close").addEventListener("click", () => dialog.close());
  byId("wanted").addEventListener("input", filter);
  all("#group, input[name=told], input[name=kind]").forEach((one) => one.addEventListener("change", filter));
  byId("everything").addEventListener("click", () => { byId("tools").reset(); filter(); });
  byId("tools").addEventListener("submit", (event) => event.preventDefault()); // Enter in the field
  if (byId("status")) byId("status").addEventListener("change", filterClaims);
  all("table").forEach((table) => rove(table));
  all(".needs-script").forEach((one) => { one.hidden = false; });
  filter();
})();
