(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const by = (id) => document.getElementById(id);

  const root = document.documentElement;
  const dark = () => root.dataset.theme ? root.dataset.theme === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches;
  const name = () => { by("theme").textContent = dark() ? "Light" : "Dark"; };
  const kept = (theme) => {  // a browser may refuse a page from a file to keep anything
    try {
      if (theme) localStorage.setItem("pgrehearse-theme", theme);
      return localStorage.getItem("pgrehearse-theme");
    } catch { return null; }
  };
  if (kept()) root.dataset.theme = kept();
  by("theme").addEventListener("click", () => {
    root.dataset.theme = dark() ? "light" : "dark";
    kept(root.dataset.theme);
    name();
  });
  name();

  for (const code of all(".finding pre")) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "copy";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    });
    code.before(button);
  }

  const findings = all(".finding[id]");
  let current = -1;
  const step = (by_) => {
    if (!findings.length) return;
    current = Math.min(Math.max(current + by_, 0), findings.length - 1);
    location.hash = findings[current].id;
    findings[current].focus();
  };
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    if (event.key === "j") step(1);
    else if (event.key === "k") step(-1);
    else if (event.key === "/" && by("search")) { event.preventDefault(); by("search").focus(); }
  });

  for (const head of all("th[data-sort]")) {
    head.tabIndex = 0;
    const sort = () => {
      const table = head.closest("table"), body = table.tBodies[0], column = head.cellIndex;
      const down = head.getAttribute("aria-sort") !== "descending";
      all("th", table).forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => { const k = row.cells[column].dataset.key; return k === undefined ? row.cells[column].textContent : k; };
      const numeric = head.dataset.sort === "number";
      const order = (a, b) => numeric ? Number(key(a)) - Number(key(b)) : key(a).localeCompare(key(b));
      [...body.rows].sort((a, b) => (down ? -1 : 1) * order(a, b)).forEach((row) => body.append(row));
    };
    head.addEventListener("click", sort);
    head.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" && event.key !== " ") return;
      event.preventDefault();
      sort();
    });
  }

  const search = by("search"), which = by("which"), order = by("order"), shown = by("shown");
  const statements = all(".st");
  const texts = new Map(statements.map((st) => [st, st.textContent.toLowerCase()]));
  const tests = {
    all: () => true,
    blocking: (st) => st.matches(".reads, .writes"),
    rewriting: (st) => st.querySelector(".badge.rewrite") !== null,
    failed: (st) => st.matches(".failed, .skipped"),
  };
  const filter = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let n = 0;
    for (const st of statements) {
      const fits = tests[which.value](st) && words.every((word) => texts.get(st).includes(word));
      st.classList.toggle("hidden", !fits);
      n += fits;
    }
    shown.textContent = n === statements.length ? `${n} statements` : `${n} of ${statements.length} statements`;
  };
  const arrange = () => {
    for (const list of all(".statements")) {
      const key = (st) => order.value === "slow" ? -Number(st.dataset.s) : Number(st.dataset.at);
      all(".st", list).sort((a, b) => key(a) - key(b)).forEach((st) => list.append(st));
    }
  };
  if (search) {
    search.addEventListener("input", filter);
    which.addEventListener("change", filter);
    order.addEventListener("change", arrange);
    filter();
  }

  const reveal = () => {
    const target = location.hash && by(location.hash.slice(1));
    if (!target) return;
    target.classList.remove("hidden");
    for (let outer = target; outer; outer = outer.parentElement) {
      if (outer.tagName === "DETAILS") outer.open = true;
    }
    target.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  reveal();

  by("download").addEventListener("click", async () => {
    const packed = Uint8Array.from(atob(JSON.parse(by("run").textContent).data), (c) => c.charCodeAt(0));
    const json = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    const link = document.createElement("a");
    link.download = by("download").dataset.name;
    link.href = URL.createObjectURL(await new Response(json).blob());
    link.click();
    URL.revokeObjectURL(link.href);
  });
})();
