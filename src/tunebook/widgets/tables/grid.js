// A table whose headers sort and whose rows are ticked. Cells are HTML that the kernel made and escaped; what is sorted
// and filtered is the kernel's to know. Rows are kept as elements, so that a table that moves leaves focus and scroll.

function render({ model, el }) {
  const table = document.createElement("table");
  const caption = table.createCaption();
  const head = table.createTHead().insertRow();
  const body = table.createTBody();
  const known = new Map();
  el.classList.add("tb", "tb-grid");
  el.append(table);

  const set = (values) => {
    model.set(values);
    model.save_changes();
  };
  const tick = (key, on) => {
    const others = model.get("picked").filter((each) => each !== key);
    set({ picked: on ? [...others, key] : others });
  };
  const box = (label, change) => {
    const input = document.createElement("input");
    input.type = "checkbox";
    input.ariaLabel = label;
    input.addEventListener("change", () => change(input.checked));
    return input;
  };
  const sortBy = (name) => set(model.get("sort") === name ? { turn: !model.get("turn") } : { sort: name, turn: false });

  const all = box("all rows", (on) => set({ picked: on ? model.get("rows").map((row) => row.key) : [] }));
  const drawHead = () => {
    const first = document.createElement("th");
    first.append(all);
    const cells = model.get("head").map((column) => {
      const cell = document.createElement("th");
      cell.scope = "col";
      cell.classList.toggle("tb-number", column.numeric);
      if (!column.sort) {
        cell.textContent = column.heading;
        return cell;
      }
      const button = document.createElement("button");
      button.textContent = column.heading;
      button.title = `Sort by ${column.sort}; again: the other way round`;
      button.addEventListener("click", () => sortBy(column.sort));
      cell.append(button);
      cell.dataset.sort = column.sort;
      cell.dataset.falling = column.highest_first;
      return cell;
    });
    head.replaceChildren(first, ...cells);
    drawOrder();
  };
  const drawOrder = () => {
    for (const cell of head.cells) {
      const falling = (cell.dataset.falling === "true") !== model.get("turn");
      const sorted = cell.dataset.sort && cell.dataset.sort === model.get("sort");
      if (sorted) cell.ariaSort = falling ? "descending" : "ascending";
      else cell.removeAttribute("aria-sort");
    }
  };
  const drawBody = () => {
    const rows = model.get("rows");
    const numeric = model.get("head").map((column) => column.numeric);
    const shown = new Set(rows.map((row) => row.key));
    for (const [key, line] of known) if (!shown.has(key)) { line.remove(); known.delete(key); }
    rows.forEach((row, at) => {
      let line = known.get(row.key);
      if (!line) {
        line = document.createElement("tr");
        line.insertCell().append(box(row.label, (on) => tick(row.key, on)));
        known.set(row.key, line);
      }
      row.cells.forEach((html, column) => {
        const cell = line.cells[column + 1] ?? line.insertCell();
        if (cell.source !== html) cell.innerHTML = cell.source = html;
        cell.classList.toggle("tb-number", numeric[column]);
      });
      while (line.cells.length > row.cells.length + 1) line.deleteCell(-1);
      if (body.rows[at] !== line) body.insertBefore(line, body.rows[at] ?? null);
    });
    drawTicks();
  };
  const drawTicks = () => {
    const picked = new Set(model.get("picked"));
    for (const [key, line] of known) {
      line.cells[0].firstChild.checked = picked.has(key);
      line.classList.toggle("tb-picked", picked.has(key));
    }
    all.checked = picked.size > 0 && picked.size === known.size;
    all.indeterminate = picked.size > 0 && picked.size < known.size;
  };
  const drawAround = () => {
    caption.textContent = model.get("caption");
    for (const part of [head.parentElement, body]) part.hidden = !model.get("rows").length;
    for (const input of table.querySelectorAll("input")) input.disabled = model.get("disabled");
  };

  model.on("change:head", drawHead);
  model.on("change:rows", () => { drawBody(); drawAround(); });
  model.on("change:picked", drawTicks);
  model.on("change:sort change:turn", drawOrder);
  model.on("change:caption change:disabled", drawAround);
  drawHead();
  drawBody();
  drawAround();
}

export default { render };
