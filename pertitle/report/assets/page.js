"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const holder = document.getElementById("data");
  const data = holder ? JSON.parse(holder.textContent) : {};

  for (const figure of all("[data-of]")) {
    // --- what is shown in the chart ---------------------------------------------------------
    const hiddenHeights = new Set(), hiddenLayers = new Set();
    const shows = (height, layer) =>
      !(height !== null && height !== undefined && hiddenHeights.has(String(height))) &&
      !(layer && hiddenLayers.has(layer));

    function refresh() {
      for (const part of all(".rate-quality [data-h], .rate-quality [data-layer]", figure))
        part.classList.toggle("off", !shows(part.dataset.h, part.dataset.layer));
    }
    for (const button of all("[data-switch-h], [data-switch-layer]", figure)) {
      const byHeight = button.dataset.switchH !== undefined;
      const set = byHeight ? hiddenHeights : hiddenLayers;
      const key = byHeight ? button.dataset.switchH : button.dataset.switchLayer;
      button.addEventListener("click", () => {
        const hide = !set.has(key);
        if (hide) set.add(key); else set.delete(key);
        button.setAttribute("aria-pressed", String(!hide));
        refresh();
      });
    }

    // --- reading points off the chart -------------------------------------------------------
    const reader = figure.querySelector(".reader");
    const plots = all(".rate-quality", figure).map((svg) => {
      const [x0, x1, left, right, y0, y1, bottom, top] = svg.dataset.plot.split(" ").map(Number);
      const low = Math.log2(x0), span = Math.log2(x1) - low;
      return {
        svg, left, right, top, bottom,
        x: (kbps) => left + ((Math.log2(kbps) - low) / span) * (right - left),
        y: (vmaf) => bottom + ((vmaf - y0) / (y1 - y0)) * (top - bottom),
        cursor: svg.querySelector(".cursor"),
      };
    });
    const series = () => (data.readings[figure.dataset.of] || []).filter((s) => shows(s.height, s.layer));

    function point(chosen, index) {
      const [kbps, vmaf, text] = chosen.points[index];
      reader.textContent = text;
      reader.classList.add("live");
      reader.setAttribute("aria-valuetext", `${chosen.name}: ${text}`);
      reader.setAttribute("aria-valuemax", String(chosen.points.length - 1));
      reader.setAttribute("aria-valuenow", String(index));
      for (const plot of plots) {
        const x = plot.x(kbps), y = plot.y(vmaf);
        const inside = x >= plot.left - 1 && x <= plot.right + 1 && y >= plot.top - 1 && y <= plot.bottom + 1;
        plot.cursor.style.display = inside ? "" : "none";
        plot.cursor.setAttribute("cx", x);
        plot.cursor.setAttribute("cy", y);
      }
    }

    if (reader) {
      for (const plot of plots) {
        plot.svg.addEventListener("pointermove", (event) => {
          const box = plot.svg.getBoundingClientRect();
          const scale = plot.svg.viewBox.baseVal.width / box.width;
          const px = (event.clientX - box.left) * scale, py = (event.clientY - box.top) * scale;
          let best = null, nearest = 40 * 40;
          for (const one of series())
            one.points.forEach(([kbps, vmaf], index) => {
              // Rungs and probes win over the curve they lie on.
              const bonus = one.layer === "curve" ? 9 : 0;
              const away = (plot.x(kbps) - px) ** 2 + (plot.y(vmaf) - py) ** 2 + bonus;
              if (away < nearest) { nearest = away; best = [one, index]; }
            });
          if (best) point(...best);
        });
      }
      let row = 0, place = -1;
      reader.addEventListener("keydown", (event) => {
        const visible = series();
        if (!visible.length) return;
        row = Math.min(row, visible.length - 1);
        const step = { ArrowLeft: -1, ArrowRight: 1, Home: -1e6, End: 1e6 }[event.key];
        const hop = { ArrowUp: -1, ArrowDown: 1 }[event.key];
        if (step === undefined && hop === undefined) return;
        event.preventDefault();
        if (hop !== undefined) {
          row = (row + hop + visible.length) % visible.length;
          place = Math.max(0, place);
        }
        const last = visible[row].points.length - 1;
        place = Math.max(0, Math.min(last, place + (step || 0)));
        point(visible[row], place);
      });
    }
  }

  // --- one rung over time ----------------------------------------------------------------------
  for (const group of all(".picks")) {
    const figure = group.parentElement, told = figure.querySelector(".reader"), asked = told.textContent;
    for (const button of all("button", group)) {
      button.addEventListener("click", () => {
        const pick = button.getAttribute("aria-pressed") === "false";
        for (const other of all("button", group)) other.setAttribute("aria-pressed", String(pick && other === button));
        figure.classList.toggle("picked", pick);
        for (const part of all(".of-rung", figure))
          part.classList.toggle("chosen", part.dataset.rung === button.dataset.pick);
        told.textContent = pick ? button.dataset.text : asked;
        told.classList.toggle("live", pick);
      });
    }
  }

  // --- copying commands -----------------------------------------------------------------------
  for (const button of all(".copy")) {
    button.addEventListener("click", async () => {
      const code = button.parentElement.querySelector("code");
      let done = false;
      try {
        await navigator.clipboard.writeText(code.textContent);
        done = true;
      } catch {
        const range = document.createRange();
        range.selectNodeContents(code);
        getSelection().removeAllRanges();
        getSelection().addRange(range);
        done = document.execCommand("copy");
      }
      button.textContent = done ? "Copied" : "Selected";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
    });
  }

  // --- sorting and filtering ------------------------------------------------------------------
  for (const table of all("table.sortable")) {
    const body = table.tBodies[0];
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      head.querySelector("button").addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of heads) other.setAttribute("aria-sort", "none");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const value = (tr) => tr.children[column].dataset.value;
        const numeric = head.classList.contains("num");
        const rows = [...body.rows].sort((a, b) => {
          const order = numeric
            ? Number(value(a)) - Number(value(b))
            : value(a).localeCompare(value(b), undefined, { numeric: true });
          return down ? -order : order;
        });
        body.append(...rows);
      });
    });
    const filter = document.getElementById("filter"), shown = document.getElementById("shown");
    if (filter) filter.addEventListener("input", () => {
      const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      let count = 0;
      for (const tr of body.rows) {
        const text = tr.textContent.toLowerCase();
        tr.hidden = !wanted.every((word) => text.includes(word));
        count += tr.hidden ? 0 : 1;
      }
      shown.textContent = `${count} of ${body.rows.length}`;
    });
  }
})();
