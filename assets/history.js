/* The History page in the browser: the list of the jobs that this browser remembers, and the pick-up of those whose
   end it does not know. Whatever a model or a user wrote goes into the page as text, never as markup. */
(() => {
  "use strict";
  const PAGE_ROWS = 100;
  const MAX_PENDING = 40;
  const LOOK_EVERY_MS = 3000;
  const SILENCE_MS = 20000;
  const PAUSE_MS = 10000;
  const UNSENT_MS = 120000;
  const TABS = { captioning: "caption", vqa: "ask" };
  const LABELS = { captioning: "Caption", vqa: "Ask" };
  const WORDS = {
    done: "Done", failed: "Failed", cancelled: "Cancelled", expired: "Expired", refused: "Not accepted",
    unsent: "Not sent", going: "In progress",
  };
  const COLOURS = { refused: "failed", unsent: "cancelled", going: "running" };
  const ENGINES = { preview: "Preview engine", openai: "Own server", vllm: "vLLM on Modal" };
  const FAILED = ["failed", "refused", "expired", "unsent"];

  // ---- what is known of a job
  const stages = new Map(); // key to what a job that goes on is doing, as last heard
  const stateOf = (record) => {
    if (record.state) return WORDS[record.state] ? record.state : "failed";
    return !record.call_id && Date.now() - record.submitted_at * 1000 > UNSENT_MS ? "unsent" : "going";
  };
  const wordOf = (record) => {
    const state = stateOf(record);
    return state === "going" ? stages.get(record.key) || WORDS.going : WORDS[state];
  };
  const matches = (record, { text, service, state }) => {
    if (service && record.service !== service) return false;
    const own = stateOf(record);
    if (state && own !== state && !(state === "failed" && FAILED.includes(own))) return false;
    if (!text) return true;
    const words = [record.prompt, record.answer, record.trouble, record.scene && record.scene.name, record.call_id];
    return words.some((part) => part && part.toLowerCase().includes(text));
  };
  const newestFirst = () => nadir.allJobs().sort((a, b) => b.submitted_at - a.submitted_at);
  const formatWhen = (seconds) => {
    const then = new Date(seconds * 1000), now = new Date();
    const time = then.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hour12: false });
    if (then.toDateString() === now.toDateString()) return time;
    return `${then.toLocaleDateString("en-GB", { day: "numeric", month: "short" })} ${time}`;
  };
  const formatSize = (count) => (count < 1e6 ? `${Math.ceil(count / 1e3)} kB` : `${(count / 1e6).toFixed(1)} MB`);
  const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;

  // ---- export
  const COLUMNS = ["call_id", "service", "state", "submitted_at", "took_s", "engine", "scene", "prompt", "answer", "trouble", "max_tokens", "temperature", "detail"];
  const exported = (record) => ({
    ...Object.fromEntries(COLUMNS.map((name) => [name, record[name] ?? null])),
    state: stateOf(record), scene: (record.scene && record.scene.name) || "",
    submitted_at: new Date(record.submitted_at * 1000).toISOString(),
  });
  // A cell that begins like a formula would be run as one by a spreadsheet.
  const cell = (value) => {
    let text = value === null ? "" : String(value);
    if (/^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text))) text = `'${text}`;
    return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  const asCSV = (rows) => [COLUMNS.join(","), ...rows.map((row) => COLUMNS.map((name) => cell(row[name])).join(","))].join("\r\n") + "\r\n";
  const asJSONL = (rows) => rows.map((row) => JSON.stringify(row) + "\n").join("");
  const save = (kind, records) => {
    const rows = records.map(exported);
    const [content, type] = kind === "csv" ? ["\ufeff" + asCSV(rows), "text/csv"] : [asJSONL(rows), "application/jsonl"];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type: `${type};charset=utf-8` }));
    link.download = `nadir-history-${new Date().toISOString().slice(0, 10)}.${kind}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };

  // ---- the list
  const attach = (element) => {
    const root = element.querySelector(".nd-history");
    const find = (name) => root.querySelector(`[data-${name}]`);
    const rows = new Map(); // key to its row and what is drawn in it
    const open = new Set(); // keys of the rows that show everything
    let limit = PAGE_ROWS, removed = null, shown = [];

    const filters = () => ({
      text: find("search").value.trim().toLowerCase(),
      service: root.querySelector('[data-filter="service"]').value,
      state: root.querySelector('[data-filter="state"]').value,
    });
    const fill = (row, name, text) => { const node = row.querySelector(`[data-${name}]`); if (node.textContent !== text) node.textContent = text; };
    const facts = (record) => [
      ["Call id", record.call_id], ["Scene", record.scene && record.scene.name], ["Longest answer", `${record.max_tokens} tokens`],
      ["Temperature", String(record.temperature)], ["Detail", record.detail], ["Engine", ENGINES[record.engine] || record.engine],
      ["Sent", new Date(record.submitted_at * 1000).toLocaleString("en-GB")],
    ].filter(([, value]) => value);
    const drawFacts = (row, record) => {
      const list = row.querySelector("[data-facts]");
      list.replaceChildren(...facts(record).flatMap(([name, value]) => {
        const term = document.createElement("dt"), detail = document.createElement("dd");
        term.textContent = name;
        detail.textContent = value;
        return [term, detail];
      }));
    };
    const drawRow = (row, record) => {
      const state = stateOf(record), label = LABELS[record.service] || record.service;
      row.dataset.key = record.key;
      row.dataset.rowState = state;
      fill(row, "prompt", record.prompt || "No prompt");
      fill(row, "answer", record.answer || record.trouble || "");
      fill(row, "service", label);
      fill(row, "state", wordOf(record));
      row.querySelector(".nd-state").className = `nd-state nd-state-${COLOURS[state] || state}`;
      const icon = row.querySelector("[data-state-icon]");
      if (icon.dataset.of !== state) {
        icon.dataset.of = state;
        icon.replaceChildren(root.querySelector("template[data-icons]").content.querySelector(`[data-icon="${state}"] svg`).cloneNode(true));
      }
      const when = row.querySelector("[data-when]");
      when.dateTime = new Date(record.submitted_at * 1000).toISOString();
      when.textContent = formatWhen(record.submitted_at);
      drawTime(row, record, state);
      drawThumbnail(row, record);
      drawFacts(row, record);
      drawOpen(row, record.key);
      const name = (record.prompt || "this job").slice(0, 80);
      row.querySelector("[data-open]").setAttribute("aria-label", `Open in ${label}: ${name}`);
      const forget = row.querySelector("[data-forget]");
      forget.setAttribute("aria-label", `Forget: ${name}`);
      forget.title = "Forget this job";
    };
    const drawTime = (row, record, state) => {
      const took = row.querySelector("[data-took]");
      if (state === "going") {
        took.dataset.ticking = String(Math.max(0, Date.now() / 1000 - record.submitted_at));
        took.ndStart = undefined;
      } else {
        delete took.dataset.ticking;
        took.textContent = typeof record.took_s === "number" ? nadir.formatSeconds(record.took_s) : "\u2013";
        took.title = typeof record.took_s === "number" ? "" : "Nobody watched until its end";
      }
    };
    const drawThumbnail = (row, record) => {
      const image = row.querySelector("img"), url = record.thumbnail || "";
      const known = url.startsWith("data:image/");
      image.hidden = !known;
      if (known && image.getAttribute("src") !== url) image.src = url;
      row.querySelector(".nd-thumb").title = (record.scene && record.scene.name) || "No scene";
    };
    const drawOpen = (row, key) => {
      const isOpen = open.has(key), button = row.querySelector("[data-expand]");
      row.toggleAttribute("data-expanded", isOpen);
      row.querySelector("[data-facts]").hidden = !isOpen;
      button.setAttribute("aria-expanded", String(isOpen));
      button.setAttribute("aria-label", isOpen ? "Show less of this job" : "Show all of this job");
      button.title = isOpen ? "Show less" : "Show all";
    };
    const rowOf = (record) => {
      const drawn = JSON.stringify(record) + wordOf(record);
      let kept = rows.get(record.key);
      if (!kept) rows.set(record.key, (kept = { row: root.querySelector("template[data-row]").content.firstElementChild.cloneNode(true), drawn: "" }));
      if (kept.drawn !== drawn) { drawRow(kept.row, record); kept.drawn = drawn; }
      return kept.row;
    };
    const place = (wanted) => {
      const body = find("rows");
      wanted.forEach((row, index) => { if (body.children[index] !== row) body.insertBefore(row, body.children[index] || null); });
      while (body.children.length > wanted.length) body.lastElementChild.remove();
    };
    const draw = () => {
      if (!root.isConnected) return;
      const all = newestFirst();
      shown = all.filter((record) => matches(record, filters()));
      place(shown.slice(0, limit).map(rowOf));
      root.querySelector("table").hidden = !shown.length;
      root.querySelector('[data-empty="none"]').hidden = all.length > 0;
      root.querySelector('[data-empty="match"]').hidden = !all.length || shown.length > 0;
      find("more").hidden = shown.length <= limit;
      for (const button of root.querySelectorAll("[data-export]")) button.disabled = !shown.length;
      find("forget-all").disabled = !all.length;
      const counted = shown.length === all.length ? plural(all.length, "job") : `${shown.length} of ${plural(all.length, "job")}`;
      find("stored").textContent = all.length
        ? `${counted}. About ${formatSize(nadir.storedSize())} in this browser alone: ids, texts and small pictures, kept for ${find("stored").dataset.days} days.`
        : "";
    };
    const tell = (message, record) => {
      removed = record || null;
      find("notice").textContent = message;
      find("undo").hidden = !record;
      find("notice-line").hidden = !message;
    };
    const openRecord = (record) => {
      nadir.openJob(record);
      nadir.press(`${TABS[record.service] || "caption"}-reopen`);
    };
    const forgetOne = (key) => {
      const record = nadir.allJobs().find((one) => one.key === key);
      const next = rows.get(key)?.row.nextElementSibling || rows.get(key)?.row.previousElementSibling;
      nadir.forgetJobs([key]);
      (next?.querySelector("[data-forget]") || find("search")).focus();
      tell("Forgot one job.", record);
    };
    const forgetAll = async () => {
      const dialog = root.querySelector("dialog"), all = nadir.allJobs();
      find("forget-count").textContent = `${plural(all.length, "job")} with prompts, answers and small pictures will be removed from this browser.`;
      dialog.returnValue = "";
      dialog.showModal();
      await new Promise((resolve) => dialog.addEventListener("close", resolve, { once: true }));
      if (dialog.returnValue !== "forget") return;
      nadir.forgetJobs(nadir.allJobs().map((record) => record.key));
      tell("This browser has forgotten all jobs.");
    };
    root.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button || button.closest("dialog")) return;
      const key = button.closest("tr")?.dataset.key;
      const has = (name) => button.dataset[name] !== undefined;
      if (has("expand")) { if (!open.delete(key)) open.add(key); drawOpen(rows.get(key).row, key); }
      else if (has("open")) openRecord(nadir.allJobs().find((record) => record.key === key));
      else if (has("forgetAll")) forgetAll();
      else if (has("forget")) forgetOne(key);
      else if (has("undo") && removed) { nadir.putJob(removed); tell("The job is back."); }
      else if (has("export")) { save(button.dataset.export, shown); nadir.flash(button, "Saved"); }
      else if (has("showMore")) { limit += PAGE_ROWS; draw(); }
      else if (has("clearFilters")) { find("search").value = ""; for (const select of root.querySelectorAll("select")) select.value = ""; draw(); find("search").focus(); }
      else if (has("goCaption")) [...document.querySelectorAll("[role=tab]")].find((tab) => tab.textContent.trim() === "Caption")?.click();
    });
    root.addEventListener("input", () => { limit = PAGE_ROWS; draw(); });
    const listen = () => {
      if (root.isConnected) return draw();
      document.removeEventListener("nadir-jobs", listen);
      window.removeEventListener("storage", listen);
    };
    document.addEventListener("nadir-jobs", listen);
    window.addEventListener("storage", listen); // other tabs
    draw();
  };

  // ---- picking up what no tab watches
  const attachPickup = (props, announce, watch) => {
    let following = false, heardAt = 0, pauseUntil = 0;
    const take = ({ news = [], over }) => {
      heardAt = Date.now();
      for (const { key, stage, ...told } of news) {
        if (told.state) { stages.delete(key); applyEnd(key, told); } else stages.set(key, stage);
      }
      document.dispatchEvent(new Event("nadir-jobs"));
      if (over) { following = false; pauseUntil = Date.now() + PAUSE_MS; }
    };
    const applyEnd = (key, told) => {
      const record = nadir.allJobs().find((one) => one.key === key);
      if (record && !record.state) nadir.updateJob({ key, ...told });
    };
    const look = () => {
      if (following && Date.now() - heardAt > SILENCE_MS) following = false; // the server was restarted
      if (following || document.hidden || Date.now() < pauseUntil) return;
      const pending = newestFirst().filter((record) => !record.state && record.call_id && !nadir.isWatched(record.key)).slice(0, MAX_PENDING);
      if (!pending.length) return;
      following = true;
      heardAt = Date.now();
      props.value = { pending: pending.map(({ key, service, call_id }) => ({ key, service, call_id })), news: [] };
      announce();
    };
    watch("value", () => take(props.value || {}));
    setInterval(look, LOOK_EVERY_MS);
  };

  window.nadirHistory = { attach, attachPickup };
})();
