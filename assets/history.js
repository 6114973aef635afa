/* The History page in the browser: the list of the jobs that this browser remembers. Whatever a model or a user wrote
   goes into the page as text, never as markup. */
(() => {
  "use strict";
  const PAGE_ROWS = 100;
  const UNSENT_MS = 120000;
  const TABS = { captioning: "caption", vqa: "ask" };
  const LABELS = { captioning: "Caption", vqa: "Ask" };
  const ENGINES = { preview: "Preview engine", openai: "Own server", vllm: "vLLM on Modal" };
  const WORDS = {
    done: "Done", failed: "Failed", cancelled: "Cancelled", expired: "Expired", refused: "Not accepted",
    unsent: "Not sent", going: "In progress",
  };
  const COLOURS = { refused: "failed", unsent: "cancelled", going: "running" };
  const FAILED = ["failed", "refused", "expired", "unsent"];

  // ---- what is known of a job
  const stateOf = (record) => {
    if (record.state) return WORDS[record.state] ? record.state : record.call_id ? "failed" : "unsent";
    return !record.call_id && Date.now() - record.submitted_at * 1000 > UNSENT_MS ? "unsent" : "going";
  };
  const wordOf = (record) => {
    const state = stateOf(record);
    return (state === "going" && nadirPickup.stages.get(record.key)) || WORDS[state];
  };
  const sceneName = (record) => (record.scene && record.scene.name) || "";
  const matches = (record, { text, service, state }) => {
    if (service && record.service !== service) return false;
    const own = stateOf(record);
    if (state && own !== state && !(state === "failed" && FAILED.includes(own))) return false;
    const words = [record.prompt, record.answer, record.trouble, sceneName(record), record.call_id];
    return !text || words.some((part) => part && part.toLowerCase().includes(text));
  };
  const factsOf = (record) => [
    ["Call id", record.call_id], ["Scene", sceneName(record)], ["Longest answer", `${record.max_tokens} tokens`],
    ["Temperature", String(record.temperature)], ["Detail", record.detail], ["Engine", ENGINES[record.engine] || record.engine],
    ["Sent", nadir.formatDate(record.submitted_at)],
  ].filter(([, value]) => value);
  const formatSize = (count) => (count < 1e6 ? `${Math.ceil(count / 1e3)} kB` : `${(count / 1e6).toFixed(1)} MB`);
  const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

  // ---- export
  const COLUMNS = ["call_id", "service", "state", "submitted_at", "took_s", "engine", "scene", "prompt", "answer", "trouble", "max_tokens", "temperature", "detail"];
  const exported = (record) => ({
    ...Object.fromEntries(COLUMNS.map((name) => [name, record[name] ?? null])),
    state: stateOf(record), scene: sceneName(record), submitted_at: new Date(record.submitted_at * 1000).toISOString(),
  });
  // A cell that begins like a formula would be run as one by a spreadsheet.
  const cell = (value) => {
    let text = value === null ? "" : String(value);
    if (/^ *[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/.test(text) && Number.isNaN(Number(text))) text = `'${text}`;
    return /[",;\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const asCSV = (rows) => [COLUMNS, ...rows.map((row) => COLUMNS.map((name) => cell(row[name])))].map((line) => line.join(",") + "\r\n").join("");
  const asJSONL = (rows) => rows.map((row) => JSON.stringify(row) + "\n").join("");
  const save = (kind, records) => {
    const rows = records.map(exported);
    const [content, type] = kind === "csv" ? ["\ufeff" + asCSV(rows), "text/csv"] : [asJSONL(rows), "application/jsonl"];
    nadir.download(`nadir-history-${new Date().toISOString().slice(0, 10)}.${kind}`, content, `${type};charset=utf-8`);
  };

  // ---- one row
  const fill = (row, name, text) => { row.querySelector(`[data-${name}]`).textContent = text; };
  const label = (button, name, title) => { button.setAttribute("aria-label", name); button.title = title; };
  const drawRow = (row, record, icons) => {
    const state = stateOf(record), service = LABELS[record.service] || record.service;
    row.dataset.key = record.key;
    row.dataset.rowState = state;
    fill(row, "prompt", record.prompt || "No prompt");
    fill(row, "answer", record.answer || record.trouble || "");
    fill(row, "service", service);
    fill(row, "state", wordOf(record));
    row.querySelector(".nd-state").className = `nd-state nd-state-${COLOURS[state] || state}`;
    row.querySelector("[data-state-icon]").replaceChildren(icons.querySelector(`[data-icon="${state}"] svg`).cloneNode(true));
    drawTimes(row, record, state);
    drawThumbnail(row, record);
    drawFacts(row, record);
    const name = (record.prompt || "this job").slice(0, 80);
    label(row.querySelector("[data-open]"), `Open in ${service}: ${name}`, `Open in ${service}`);
    label(row.querySelector("[data-forget]"), `Forget: ${name}`, "Forget this job");
  };
  const drawTimes = (row, record, state) => {
    const when = row.querySelector("[data-when]"), took = row.querySelector("[data-took]");
    when.dateTime = new Date(record.submitted_at * 1000).toISOString();
    when.textContent = nadir.formatDate(record.submitted_at);
    if (state === "going") {
      took.dataset.ticking = String(Math.max(0, Date.now() / 1000 - record.submitted_at));
      took.ndStart = undefined;
      return;
    }
    const isKnown = typeof record.took_s === "number";
    delete took.dataset.ticking;
    took.textContent = isKnown ? nadir.formatSeconds(record.took_s) : "\u2013";
    took.title = isKnown ? "" : "Not known: nobody watched until its end";
  };
  const drawThumbnail = (row, record) => {
    const image = row.querySelector("img"), url = record.thumbnail || "";
    image.hidden = !url.startsWith("data:image/");
    if (!image.hidden && image.getAttribute("src") !== url) image.src = url;
    row.querySelector(".nd-thumb").title = sceneName(record) || "No scene";
  };
  const drawFacts = (row, record) => {
    const pairs = factsOf(record).flatMap(([name, value]) => {
      const term = document.createElement("dt"), detail = document.createElement("dd");
      term.textContent = name;
      detail.textContent = value;
      return [term, detail];
    });
    row.querySelector("[data-facts]").replaceChildren(...pairs);
  };
  const unfold = (row, isOpen) => {
    const button = row.querySelector("[data-expand]");
    row.toggleAttribute("data-expanded", isOpen);
    row.querySelector("[data-facts]").hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
    label(button, isOpen ? "Show less of this job" : "Show all of this job", isOpen ? "Show less" : "Show all");
  };

  // ---- the list
  class HistoryList {
    constructor(root) {
      this.root = root;
      this.rows = new Map(); // key to {row, drawn}
      this.limit = PAGE_ROWS;
      this.shown = [];
      this.removed = null;
      this.icons = root.querySelector("template[data-icons]").content;
      root.addEventListener("click", (event) => this.pressed(event.target.closest("button")));
      root.addEventListener("input", () => { this.limit = PAGE_ROWS; this.draw(); });
      const listen = () => {
        if (root.isConnected) return this.draw();
        document.removeEventListener("nadir-jobs", listen);
        window.removeEventListener("storage", listen);
      };
      document.addEventListener("nadir-jobs", listen);
      window.addEventListener("storage", listen); // other tabs
      this.draw();
    }
    find(name) { return this.root.querySelector(`[data-${name}]`); }
    filters() {
      const chosen = (name) => this.root.querySelector(`[data-filter="${name}"]`).value;
      return { text: this.find("search").value.trim().toLowerCase(), service: chosen("service"), state: chosen("state") };
    }
    draw() {
      const all = nadir.allJobs().sort((a, b) => b.submitted_at - a.submitted_at), wanted = this.filters();
      this.shown = all.filter((record) => matches(record, wanted));
      this.place(this.shown.slice(0, this.limit).map((record) => this.rowOf(record)));
      this.root.querySelector("table").hidden = !this.shown.length;
      this.root.querySelector('[data-empty="none"]').hidden = all.length > 0;
      this.root.querySelector('[data-empty="match"]').hidden = !all.length || this.shown.length > 0;
      this.find("more").hidden = this.shown.length <= this.limit;
      for (const button of this.root.querySelectorAll("[data-export]")) button.disabled = !this.shown.length;
      this.find("forget-all").disabled = !all.length;
      this.drawStored(all.length);
    }
    drawStored(count) {
      const line = this.find("stored");
      const counted = this.shown.length === count ? plural(count, "job") : `${this.shown.length} of ${plural(count, "job")}`;
      const size = formatSize(nadir.storedSize());
      line.textContent = count ? `${counted}. About ${size} in this browser alone: ids, texts and small pictures, kept for ${line.dataset.days} days.` : "";
    }
    rowOf(record) {
      const drawn = JSON.stringify(record) + wordOf(record);
      let kept = this.rows.get(record.key);
      if (!kept) {
        kept = { row: this.root.querySelector("template[data-row]").content.firstElementChild.cloneNode(true), drawn: "" };
        unfold(kept.row, false);
        this.rows.set(record.key, kept);
      }
      if (kept.drawn !== drawn) { drawRow(kept.row, record, this.icons); kept.drawn = drawn; }
      return kept.row;
    }
    place(rows) {
      const body = this.find("rows");
      rows.forEach((row, index) => { if (body.children[index] !== row) body.insertBefore(row, body.children[index] || null); });
      while (body.children.length > rows.length) body.lastElementChild.remove();
    }
    tell(message, removed) {
      this.removed = removed || null;
      this.find("notice").textContent = message;
      this.find("undo").hidden = !removed;
      this.find("notice-line").hidden = !message;
    }
    pressed(button) {
      if (!button || button.closest("dialog")) return;
      const row = button.closest("tr"), has = (name) => button.dataset[name] !== undefined;
      const record = row && nadir.allJobs().find((one) => one.key === row.dataset.key);
      if (has("expand")) unfold(row, !row.hasAttribute("data-expanded"));
      else if (has("open") && record) this.open(record);
      else if (has("forgetAll")) this.forgetAll();
      else if (has("forget") && record) this.forget(record, row);
      else if (has("undo") && this.removed) { nadir.putJob(this.removed); this.tell("The job is back."); }
      else if (has("export")) { save(button.dataset.export, this.shown); nadir.flash(button, "Saved"); }
      else if (has("showMore")) { this.limit += PAGE_ROWS; this.draw(); }
      else if (has("clearFilters")) this.clearFilters();
      else if (has("goCaption")) [...document.querySelectorAll("[role=tab]")].find((tab) => tab.textContent.trim() === "Caption")?.click();
    }
    open(record) {
      const current = nadir.currentJob(record.service);
      if (current && current.key !== record.key && stateOf(current) === "going" && !current.call_id)
        return this.tell("A job is just being sent. Open this one in a moment.");
      if (!record.state && stateOf(record) === "unsent")
        nadir.updateJob({ key: record.key, state: "refused", trouble: "It was not sent: the page was closed before the service had taken it." });
      nadir.openJob(record);
      nadir.press(`${TABS[record.service] || "caption"}-reopen`);
    }
    forget(record, row) {
      const next = row.nextElementSibling || row.previousElementSibling;
      nadir.forgetJobs([record.key]);
      this.tell("Forgot one job.", record);
      (next ? next.querySelector("[data-forget]") : this.find("search")).focus();
    }
    async forgetAll() {
      const dialog = this.root.querySelector("dialog");
      this.find("forget-count").textContent = `${plural(nadir.allJobs().length, "job")} with prompts, answers and small pictures will be removed from this browser.`;
      dialog.returnValue = "";
      dialog.showModal();
      await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
      if (dialog.returnValue !== "forget") return;
      nadir.forgetJobs(nadir.allJobs().map((record) => record.key));
      this.tell("This browser has forgotten all jobs.");
    }
    clearFilters() {
      this.find("search").value = "";
      for (const select of this.root.querySelectorAll("select")) select.value = "";
      this.draw();
      this.find("search").focus();
    }
  }

  window.nadirHistory = { attach: (element) => new HistoryList(element.querySelector(".nd-history")) };
})();
