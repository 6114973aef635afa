/* The Batch page in the browser: choosing files, the table whose rows are patched as they change, the map of tiles.
   The batch itself belongs to the server; the browser keeps the ids of its batches, one storage key each. */
(() => {
  "use strict";
  const PREFIX = "nadir.batch.";
  const POLL_MS = 700, IDLE_MS = 4000, BROKEN_MS = 2500;
  const UPLOADS_AT_ONCE = 3, LISTED_FILES = 200, OVERSCAN = 6;
  const FINAL = ["done", "failed", "cancelled"];
  const LOST = "Connection lost. The batch goes on; this page catches up when it is back.";
  const groupOf = (stage) => (stage === "waiting" || FINAL.includes(stage) ? stage : "running");

  const stored = () => { try { return Object.keys(localStorage).filter((key) => key.startsWith(PREFIX)).map((key) => key.slice(PREFIX.length)); } catch { return []; } };
  const remember = (id) => { try { localStorage.setItem(PREFIX + id, String(Date.now())); } catch { /* the tab still knows it */ } };
  const forget = (id) => { try { localStorage.removeItem(PREFIX + id); } catch { /* nothing to forget */ } };

  const make = (tag, className = "", text = "") => {
    const node = document.createElement(tag);
    if (className) node.className = className;
    if (text) node.textContent = text;
    return node;
  };
  const setText = (node, text) => { if (node.textContent !== text) node.textContent = text; };
  const setHidden = (node, hidden) => { if (node.hidden !== hidden) node.hidden = hidden; };
  const counted = (count, one) => `${count.toLocaleString("en")} ${one}${count === 1 ? "" : "s"}`;
  const formatBytes = (count) => count < 999500 ? `${Math.max(1, Math.round(count / 1e3))} kB`
    : count < 999.5e6 ? `${(count / 1e6).toFixed(count < 9.95e6 ? 1 : 0)} MB` : `${(count / 1e9).toFixed(1)} GB`;

  // ---- choosing files: they are uploaded as they come, a few at a time
  const chosen = []; // {name, size, path | sample, error}
  const uploadURL = () => {
    const { root = "", api_prefix: prefix = "/gradio_api" } = window.gradio_config || {};
    return `${root}${prefix}/upload`;
  };
  const uploadOne = (entry, onProgress) => new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("POST", uploadURL());
    request.upload.onprogress = (event) => { entry.sent = event.loaded; onProgress(); };
    request.onload = () => {
      try { if (request.status === 200) entry.path = JSON.parse(request.responseText)[0]; } catch { /* told below */ }
      if (!entry.path) entry.error = request.status === 413 ? "larger than this page accepts" : "not uploaded";
      resolve();
    };
    request.onerror = () => { entry.error = "not uploaded"; resolve(); };
    const body = new FormData();
    body.append("files", entry.file, entry.file.name || "unnamed");
    request.send(body);
  });
  /* What a first look says is true of the files and settings it was taken of, and of no others. */
  const forgetLook = () => nadir.press("batch-look-forget");
  const chosenFiles = () => chosen.filter((entry) => entry.path || entry.sample).map(({ path, sample, name }) => ({ path, sample, name }));

  const beginLook = () => {
    if (matchMedia("(max-width: 820px)").matches) document.querySelector("#batch-look")?.scrollIntoView({ block: "start" });
    return chosenFiles();
  };
  /* The prompt, longest answer and temperature of a service; a prompt of the person's own stays. */
  const defaultsOf = (defaults, service, prompts) => {
    const untouched = ["", ...Object.values(defaults).map(([prompt]) => prompt)].includes(prompts.trim());
    const [prompt, ...rest] = defaults[service];
    return [untouched ? prompt : prompts, ...rest];
  };

  /* Files of a drop, with the paths of folders that were dropped. */
  const droppedFiles = async (transfer) => {
    const entries = [...transfer.items].map((item) => item.webkitGetAsEntry && item.webkitGetAsEntry()).filter(Boolean);
    if (!entries.length) return [...transfer.files].map((file) => ({ file, name: file.name }));
    const found = [];
    const walk = async (entry, path) => {
      if (entry.isFile) {
        const file = await new Promise((resolve) => entry.file(resolve, () => resolve(null)));
        if (file) found.push({ file, name: path + file.name });
        return;
      }
      const reader = entry.createReader();
      for (;;) {
        const some = await new Promise((resolve) => reader.readEntries(resolve, () => resolve([])));
        if (!some.length) return;
        for (const child of some) await walk(child, `${path}${entry.name}/`);
      }
    };
    for (const entry of entries) await walk(entry, "");
    return found;
  };

  const attachFiles = (element) => {
    const find = (selector) => element.querySelector(selector);
    const cross = () => find("[data-bf-remove]").content.cloneNode(true);
    let queue = [], busy = 0, drawn = 0;
    const draw = () => { if (!drawn) drawn = requestAnimationFrame(() => { drawn = 0; render(); }); };
    const change = () => { forgetLook(); draw(); };
    const render = () => {
      setHidden(find(".nd-bf-chosen"), chosen.length === 0);
      const total = chosen.reduce((sum, entry) => sum + (entry.size || 0), 0);
      const sent = chosen.reduce((sum, entry) => sum + (entry.path || entry.error ? entry.size || 0 : entry.sent || 0), 0);
      const waiting = queue.length + busy;
      const isWeighed = total && chosen.every((entry) => !entry.sample);
      setText(find("[data-bf-sum]"), counted(chosen.length, "file") + (isWeighed ? `, ${formatBytes(total)}` : "") + (waiting ? `, uploading: ${waiting} left` : ""));
      find(".nd-bf-bar span").style.width = total ? `${Math.round(100 * sent / total)}%` : "100%";
      setHidden(find(".nd-bf-bar"), !waiting);
      const list = find(".nd-bf-list");
      const lines = chosen.slice(0, LISTED_FILES).map((entry, place) => {
        const line = make("li", entry.error ? "nd-bf-bad" : "");
        line.append(make("span", "nd-bf-name", entry.name), make("span", "nd-num nd-quiet", entry.error || (entry.sample ? "sample" : entry.size ? formatBytes(entry.size) : "0 kB")));
        const button = make("button");
        button.type = "button";
        button.dataset.bfOut = place;
        button.setAttribute("aria-label", `Remove ${entry.name}`);
        button.append(cross());
        line.append(button);
        return line;
      });
      if (chosen.length > LISTED_FILES) lines.push(make("li", "nd-quiet", `and ${chosen.length - LISTED_FILES} more`));
      list.replaceChildren(...lines);
      const go = document.querySelector("#batch-look-go");
      if (go) (go.matches("button") ? go : go.querySelector("button")).disabled = waiting > 0;
    };
    const work = async () => {
      while (queue.length) {
        const entry = queue.shift();
        busy += 1;
        await uploadOne(entry, draw);
        entry.file = null;
        busy -= 1;
        draw();
      }
    };
    const add = (files) => {
      for (const { file, name } of files) {
        const entry = { file, name, size: file.size, sent: 0 };
        chosen.push(entry);
        queue.push(entry);
      }
      for (let i = busy; i < UPLOADS_AT_ONCE; i += 1) work();
      change();
    };
    element.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const { bfChoose, bfOut, bfSamples } = button.dataset;
      if (bfChoose) find(`[data-bf-input="${bfChoose}"]`).click();
      if (bfOut !== undefined) { const [out] = chosen.splice(Number(bfOut), 1); queue = queue.filter((entry) => entry !== out); change(); }
      if (button.dataset.bfClear !== undefined) { chosen.length = 0; queue = []; change(); }
      if (bfSamples) {
        const known = new Set(chosen.map((entry) => entry.sample));
        chosen.push(...JSON.parse(bfSamples).filter((entry) => !known.has(entry.sample)));
        change();
      }
    });
    element.addEventListener("change", (event) => {
      if (!event.target.matches("[data-bf-input]")) return;
      add([...event.target.files].map((file) => ({ file, name: file.webkitRelativePath || file.name })));
      event.target.value = "";
    });
    const zone = () => find("[data-bf-drop]");
    element.addEventListener("dragover", (event) => { event.preventDefault(); zone().setAttribute("data-over", ""); });
    element.addEventListener("dragleave", () => zone().removeAttribute("data-over"));
    element.addEventListener("drop", async (event) => {
      event.preventDefault();
      event.stopPropagation();
      zone().removeAttribute("data-over");
      add(await droppedFiles(event.dataTransfer));
    });
  };

  // ---- the board: one batch, asked about again and again, and told only what changed
  /* Has Caption or Ask show a job, with its scene, prompt and settings. */
  const showRecord = (record, view) => {
    nadir.putJob(record);
    nadir.openJob(record);
    nadir.press(`${view.toLowerCase()}-reopen`);
  };

  const attachBoard = (element, server) => {
    const find = (selector) => element.querySelector(selector);
    const all = (selector) => [...element.querySelectorAll(selector)];
    const own = new Set();
    let current = null; // id
    let batch = null; // {fixed, rows, version, summary}
    let filter = "all", needle = "", view = "table", shown = [], timer = 0, asking = false;

    const ask = async (name, data) => {
      try { return (await server[name](data)) || { broken: true }; } catch { return { broken: true }; }
    };
    const template = (kind, name) => find(`template[data-bt-${kind}="${name}"]`).content.cloneNode(true);
    const isSeen = () => !document.hidden && element.offsetParent !== null;

    // -- which batch
    const listBatches = async () => {
      const reply = await ask("batch_list", { ids: [...new Set([...own, ...stored()])].slice(-200) });
      if (!reply.batches) return [];
      const known = new Set(reply.batches.map((one) => one.id));
      for (const id of stored()) if (!known.has(id)) forget(id);
      drawList(reply.batches);
      return reply.batches;
    };
    const drawList = (batches) => {
      const bar = find(".nd-bt-list");
      setHidden(bar, batches.length === 0);
      const fresh = make("button", "nd-bt-tab");
      fresh.dataset.btShow = "";
      fresh.append(template("icon", "plus"), make("span", "", "New batch"));
      const tabs = batches.map((one) => {
        const tab = make("button", "nd-bt-tab");
        tab.dataset.btShow = one.id;
        tab.append(make("span", "nd-bt-tab-name", one.title), make("span", "nd-num", `${one.ended}/${one.total}`), make("span", "nd-quiet", wordOf(one)));
        return tab;
      });
      for (const tab of [fresh, ...tabs]) { tab.type = "button"; tab.setAttribute("aria-pressed", String((tab.dataset.btShow || null) === current)); }
      bar.replaceChildren(fresh, ...tabs);
    };
    const wordOf = (one) => !one.begun ? "not started" : one.over ? "ended" : one.paused ? "paused" : "going on";

    const show = async (id) => {
      current = id;
      batch = null;
      document.body.dataset.batch = id ? "board" : "new";
      setHidden(find(".nd-bt-board"), !id);
      filter = "all"; needle = ""; view = "table";
      find(".nd-bt-search input").value = "";
      clearRows();
      for (const tab of all("[data-bt-show]")) tab.setAttribute("aria-pressed", String((tab.dataset.btShow || null) === id));
      if (id) await refresh();
    };

    // -- what changed
    const refresh = async () => {
      clearTimeout(timer);
      if (!current || asking) return;
      if (!isSeen()) { timer = setTimeout(refresh, IDLE_MS / 4); return; }
      asking = true;
      const id = current;
      const reply = await ask("batch_rows", { id, since: batch ? batch.version : 0 });
      asking = false;
      if (id !== current) { refresh(); return; }
      let pause = BROKEN_MS;
      if (reply.gone) { forget(id); own.delete(id); trouble(reply.error); await listBatches(); return; }
      if (!reply.summary) trouble(reply.error || LOST);
      else { trouble(""); take(reply); pause = batch.summary.over || batch.summary.paused && !underWay() ? IDLE_MS : POLL_MS; }
      timer = setTimeout(refresh, pause);
    };
    const underWay = () => batch.rows.some((row) => groupOf(row.stage) === "running");
    const take = (reply) => {
      if (reply.fixed) {
        const rows = reply.fixed.rows.map((row, n) => ({ ...row, n, stage: "waiting", scene: row.scene }));
        batch = { fixed: reply.fixed, rows, version: 0, summary: null };
      }
      if (!batch) return;
      for (const { n, ...told } of reply.changed) {
        const { id, scene, name, tile, prompt, window: place } = batch.rows[n];
        batch.rows[n] = { id, scene, name, tile, prompt, window: place, n, asked: performance.now(), ...told };
        dirty.add(n);
      }
      batch.version = reply.version;
      const before = batch.summary;
      batch.summary = reply.summary;
      drawHead();
      if (reply.fixed || reply.changed.length) { sift(); if (view === "map" || reply.fixed) drawMap(Boolean(reply.fixed)); redrawDialog(); }
      if (!before || before.ended !== reply.summary.ended || before.paused !== reply.summary.paused) listBatches();
    };
    const trouble = (text) => { const node = find(".nd-bt-trouble"); setHidden(node, !text); setText(node, text); };

    // -- head
    const drawHead = () => {
      const { summary } = batch;
      const count = (stage) => summary.counts[stage] || 0;
      find(".nd-bt-board").toggleAttribute("data-going", summary.begun && !summary.over);
      setText(find('[data-bt="title"]'), summary.title);
      setText(find('[data-bt="facts"]'), `${summary.service}, ${counted(summary.total, "job")}, ${nadir.formatDate(summary.created_at)}`);
      const parts = { done: count("done"), failed: count("failed"), cancelled: count("cancelled"), rest: summary.total - summary.ended };
      for (const [part, size] of Object.entries(parts)) find(`.nd-bt-bar .nd-bt-part-${part}`).style.flexGrow = size;
      const bar = find(".nd-bt-bar");
      bar.setAttribute("aria-valuemax", summary.total);
      bar.setAttribute("aria-valuenow", summary.ended);
      setText(find('[data-bt="progress"]'), [`${summary.ended} of ${summary.total} ended`, count("failed") && `${count("failed")} failed`, count("cancelled") && `${count("cancelled")} cancelled`].filter(Boolean).join(", ") + ".");
      setText(find('[data-bt="rest"]'), summary.over ? "The batch has ended." : !summary.begun ? "Not started." : summary.rest);
      setHidden(find('[data-bt-do="pause"]'), summary.over || summary.paused || !summary.begun);
      setHidden(find('[data-bt-do="resume"]'), summary.over || !summary.paused);
      setHidden(find('[data-bt-do="cancel"]'), summary.over);
      setHidden(find('[data-bt-do="retry"]'), !count("failed"));
      const groups = { all: summary.total, running: 0 };
      for (const [stage, size] of Object.entries(summary.counts)) groups[groupOf(stage)] = (groups[groupOf(stage)] || 0) + size;
      for (const button of all("[data-bt-filter]")) {
        setText(button.querySelector("span"), String(groups[button.dataset.btFilter] || 0));
        button.setAttribute("aria-pressed", String(button.dataset.btFilter === filter));
      }
      setHidden(find('[data-bt-filter="cancelled"]'), !count("cancelled") && filter !== "cancelled");
      const out = find(".nd-bt-out"), { left_out: leftOut, left_out_count: leftOutCount } = batch.fixed;
      setHidden(out, leftOutCount === 0);
      if (out.dataset.of !== summary.id) {
        out.dataset.of = summary.id;
        setText(find('[data-bt="out"]'), `${leftOutCount} left out`);
        const more = leftOutCount - leftOut.length;
        const told = more > 0 ? [...leftOut, { name: `and ${more} more`, reason: "" }] : leftOut;
        out.querySelector("ul").replaceChildren(...told.map((one) => { const line = make("li"); line.append(make("span", "nd-bl-name", one.name), make("span", "nd-bl-why", one.reason)); return line; }));
      }
      setHidden(find(".nd-bt-views"), !batch.rows.some((row) => row.window));
    };

    /* `Row 2, column 5` of the tile r2c5. */
    const placeOf = (row) => row.tile.replace(/^r(\d+)c(\d+)$/, "Row $1, column $2");

    // -- table: only the rows in sight are in the document
    const drawnRows = new Map(), dirty = new Set();
    const scroller = () => find(".nd-bt-scroll");
    const clearRows = () => { drawnRows.clear(); dirty.clear(); find(".nd-bt-rows").replaceChildren(); };
    const matches = (row) => (filter === "all" || groupOf(row.stage) === filter)
      && (!needle || `${row.name}\n${placeOf(row)}\n${row.prompt}\n${row.answer || ""}\n${row.error || ""}`.toLowerCase().includes(needle));
    const sift = () => {
      shown = batch.rows.filter(matches);
      setHidden(find(".nd-bt-none"), shown.length > 0);
      scroller().setAttribute("aria-rowcount", shown.length + 1);
      drawRows();
    };
    const rowHeight = () => parseFloat(getComputedStyle(scroller()).getPropertyValue("--nd-row")) || 56;
    const drawRows = () => {
      if (!batch || view !== "table") return;
      const box = scroller(), body = find(".nd-bt-rows"), height = rowHeight();
      body.style.height = `${shown.length * height}px`;
      const first = Math.max(0, Math.floor(box.scrollTop / height) - OVERSCAN);
      const last = Math.min(shown.length, Math.ceil((box.scrollTop + box.clientHeight) / height) + OVERSCAN);
      const wanted = new Set(shown.slice(first, last).map((row) => row.n));
      for (const [n, node] of drawnRows) if (!wanted.has(n)) { node.remove(); drawnRows.delete(n); }
      for (let place = first; place < last; place += 1) {
        const row = shown[place];
        let node = drawnRows.get(row.n);
        if (!node) { node = newRow(row); drawnRows.set(row.n, node); body.append(node); fillRow(node, row); }
        else if (dirty.has(row.n)) fillRow(node, row);
        node.style.transform = `translateY(${place * height}px)`;
        node.setAttribute("aria-rowindex", place + 2);
      }
      dirty.clear();
    };
    const cell = (className) => { const node = make("span", className); node.setAttribute("role", "cell"); return node; };
    const newRow = (row) => {
      const node = make("div", "nd-bt-row");
      node.setAttribute("role", "row");
      node.dataset.btRow = row.n;
      const picture = cell("nd-bt-thumb");
      picture.append(thumbnail(row));
      const name = cell("nd-bt-name");
      const link = make("button", "nd-link", placeOf(row) || row.name);
      link.type = "button";
      link.dataset.btDetail = row.n;
      link.title = row.name;
      name.append(link);
      if (row.tile) name.append(make("span", "nd-quiet", batch.fixed.scenes[row.scene].name));
      const prompt = cell("nd-bt-prompt");
      prompt.textContent = prompt.title = row.prompt;
      node.append(picture, name, prompt, cell("nd-bt-stage"), cell("nd-bt-time nd-num nd-bt-right"), cell("nd-bt-answer"), cell("nd-bt-acts"));
      return node;
    };
    const thumbnail = (row) => {
      const scene = batch.fixed.scenes[row.scene];
      const image = make("img");
      image.src = scene.thumbnail;
      image.alt = "";
      image.loading = "lazy";
      image.draggable = false;
      const frame = row.window ? make("span", "nd-bt-crop") : image;
      image.addEventListener("error", () => frame.replaceWith(template("icon", "image")));
      if (!row.window) return image;
      const [x, y, width, height] = row.window;
      const side = Math.max(width, height);
      Object.assign(image.style, {
        position: "absolute", maxWidth: "none", objectFit: "fill",
        width: `${100 * scene.width / side}%`, height: `${100 * scene.height / side}%`,
        left: `${-100 * x / side}%`, top: `${-100 * y / side}%`,
      });
      frame.append(image);
      return frame;
    };
    const fillRow = (node, row) => {
      const [, , , stage, time, answer, acts] = node.children;
      if (stage.dataset.stage !== row.stage) { stage.dataset.stage = row.stage; stage.replaceChildren(template("stage", row.stage)); }
      delete time.ndStart;
      if (row.age_s !== undefined) time.dataset.ticking = String(row.age_s + (performance.now() - row.asked) / 1000);
      else { delete time.dataset.ticking; setText(time, row.took || ""); }
      setText(answer, row.answer || row.error || "");
      answer.classList.toggle("nd-bt-error", Boolean(row.error));
      const wanted = FINAL.includes(row.stage) ? (row.stage === "done" ? "open" : "retry") : "cancel";
      if (acts.dataset.act !== wanted) { acts.dataset.act = wanted; acts.replaceChildren(action(wanted, row)); }
    };
    const ACTIONS = { cancel: ["circle-x", "Cancel this job"], retry: ["rotate-cw", "Send this job again"], open: ["external-link", "Open"] };
    const action = (kind, row, words = false) => {
      const button = make("button", words ? "nd-button" : "nd-button nd-bt-act");
      const [name, label] = ACTIONS[kind];
      const text = kind === "open" ? `Open in ${batch.fixed.view}` : label;
      button.type = "button";
      button.dataset.btAct = kind;
      button.dataset.btOf = row.n;
      button.append(template("icon", name));
      if (words) button.append(make("span", "", text));
      else { button.title = text; button.setAttribute("aria-label", `${text}: ${row.name}`); }
      return button;
    };

    // -- one job in full
    let detailed = null;
    const dialog = () => find(".nd-bt-dialog");
    const openDialog = (n) => { detailed = n; redrawDialog(); if (!dialog().open) dialog().showModal(); };
    const redrawDialog = () => {
      if (detailed === null || !batch) return;
      const row = batch.rows[detailed];
      const body = make("div");
      const head = make("header", "nd-bt-dialog-head");
      const words = make("div");
      words.append(make("h2", "", batch.fixed.scenes[row.scene].name), ...(row.tile ? [make("p", "nd-quiet", placeOf(row))] : []), template("stage", row.stage));
      if (row.took) words.append(make("span", "nd-num nd-quiet", ` ${row.took}`));
      const big = make("span", "nd-bt-thumb");
      big.append(thumbnail(row));
      head.append(big, words);
      body.append(head, make("p", "nd-question", row.prompt), make("p", row.error ? "nd-bt-full nd-bt-error" : "nd-bt-full", row.answer || row.error || "No answer yet."));
      const buttons = make("div", "nd-actions");
      if (!FINAL.includes(row.stage)) buttons.append(action("cancel", row, true));
      if (row.stage === "failed" || row.stage === "cancelled") buttons.append(action("retry", row, true));
      buttons.append(action("open", row, true));
      for (const [label, text] of [["Copy answer", row.answer], ["Copy call id", row.call_id]]) {
        if (!text) continue;
        const copy = make("button", "nd-button");
        copy.type = "button";
        copy.dataset.copy = text;
        copy.append(template("icon", "copy"), make("span", "", label));
        buttons.append(copy);
      }
      body.append(buttons);
      const old = dialog().querySelector("div");
      if (old.innerHTML !== body.innerHTML) old.replaceWith(body);
    };

    // -- map of the tiles
    const places = () => {
      const scenes = [...new Set(batch.rows.filter((row) => row.window).map((row) => row.scene))];
      const prompts = [...new Set(batch.rows.map((row) => row.prompt))];
      return { scenes, prompts };
    };
    const fillSelect = (name, values, label) => {
      const holder = find(`[data-bt-pick="${name}"]`), select = holder.querySelector("select");
      select.replaceChildren(...values.map((value) => { const option = make("option", "", label(value)); option.value = value; return option; }));
      setHidden(holder, values.length < 2);
    };
    const picked = (name) => find(`[data-bt-pick="${name}"] select`).value;
    const RAMP = 5;
    const drawMap = async (anew) => {
      if (!batch) return;
      if (anew) {
        const { scenes, prompts } = places();
        if (!scenes.length) return;
        fillSelect("scene", scenes, (scene) => batch.fixed.scenes[scene].name);
        fillSelect("prompt", prompts, (prompt) => prompt);
        find(".nd-bt-map-sheet").dataset.scene = "";
      }
      if (view !== "map") return;
      const scene = Number(picked("scene")), size = batch.fixed.scenes[scene], sheet = find(".nd-bt-map-sheet");
      const key = `${batch.summary.id}/${scene}/${picked("prompt")}`;
      const rows = batch.rows.filter((row) => row.scene === scene && row.window && row.prompt === picked("prompt"));
      const tiles = find(".nd-bt-tiles");
      if (sheet.dataset.scene !== key) {
        sheet.dataset.scene = key;
        sheet.style.aspectRatio = `${size.width} / ${size.height}`;
        sheet.style.setProperty("--nd-aspect", size.width / size.height);
        const across = axisOf(rows, 0), down = axisOf(rows, 1);
        tiles.replaceChildren(...rows.map((row, place) => newTile(row, size, place, ownPart(row, across, 0), ownPart(row, down, 1))));
        drawShared([across, down]);
        const reply = await ask("batch_scene", { id: batch.summary.id, scene });
        if (reply.url) sheet.querySelector("img").src = reply.url;
        sheet.querySelector("img").alt = `Scene ${size.name}`;
      }
      const numbers = rows.map((row) => row.number).filter((value) => value !== null && value !== undefined);
      const low = Math.min(...numbers), high = Math.max(...numbers);
      const mode = find("[data-bt-colour]").value;
      const seen = new Map();
      for (const [place, row] of rows.entries()) {
        const [kind, sign, word] = verdict(row, mode, low, high);
        const tile = tiles.children[place];
        if (!tile) continue;
        tile.dataset.kind = kind;
        tile.toggleAttribute("data-dim", !matches(row));
        setText(tile.firstChild, sign);
        tile.setAttribute("aria-label", `${placeOf(row)}: ${row.answer ? row.answer.slice(0, 200) : wordOfStage(row.stage)}`);
        seen.set(kind, [word, (seen.get(kind) || [word, 0])[1] + 1, sign]);
      }
      drawLegend(seen);
      if (current && readOut !== null) tell(readOut);
    };
    const wordOfStage = (stage) => find(`template[data-bt-stage="${stage}"]`).content.textContent.trim();
    const verdict = (row, mode, low, high) => {
      if (mode === "stage" || row.stage !== "done") return [`stage-${groupOf(row.stage)}`, row.stage === "done" ? "✓" : row.stage === "failed" ? "!" : row.stage === "cancelled" ? "–" : "…", wordOfStage(row.stage)];
      if (mode === "yes") return row.yes === true ? ["yes", "Yes", "Yes"] : row.yes === false ? ["no", "No", "No"] : ["other", "?", "Neither yes nor no"];
      if (row.number === null || row.number === undefined) return ["other", "?", "No number"];
      const step = high > low ? Math.min(RAMP - 1, Math.floor(RAMP * (row.number - low) / (high - low))) : 0;
      const from = low + (high - low) * step / RAMP, to = low + (high - low) * (step + 1) / RAMP;
      return [`ramp-${step}`, String(row.number), high > low ? `${short(from)} to ${short(to)}` : short(low)];
    };
    const short = (value) => Number(value.toPrecision(3)).toLocaleString("en");
    const drawLegend = (seen) => {
      const order = ["yes", "no", "ramp-0", "ramp-1", "ramp-2", "ramp-3", "ramp-4", "other", "stage-done", "stage-running", "stage-waiting", "stage-failed", "stage-cancelled"];
      const lines = order.filter((kind) => seen.has(kind)).map((kind) => {
        const [word, count, sign] = seen.get(kind), line = make("li");
        const swatch = make("span", "nd-bt-swatch", kind.startsWith("ramp") || sign === word ? "" : sign);
        swatch.dataset.kind = kind;
        line.append(swatch, make("span", "", word), make("span", "nd-num nd-quiet", String(count)));
        return line;
      });
      find(".nd-bt-legend").replaceChildren(...lines);
    };
    /* Where the tiles of a scene begin along an axis (0 across, 1 down), in pixels, and how long they are. */
    const axisOf = (rows, axis) => ({ starts: [...new Set(rows.map((row) => row.window[axis]))].sort((a, b) => a - b), length: rows[0].window[axis + 2] });
    /* Where a tile's own part begins and ends along an axis, in pixels: tiles that overlap meet halfway. */
    const ownPart = (row, { starts, length }, axis) => {
      const start = row.window[axis], place = starts.indexOf(start);
      const halfway = (one, next) => (one + length + next) / 2;
      return [place ? halfway(starts[place - 1], start) : start, place < starts.length - 1 ? halfway(start, starts[place + 1]) : start + length];
    };
    const drawShared = (axes) => {
      const shared = ({ starts, length }) => starts.slice(1).map((start, place) => start < starts[place] + length);
      const note = find(".nd-bt-shared"), isRegular = axes.some((axis) => shared(axis).slice(0, -1).some(Boolean));
      setHidden(note, !axes.some((axis) => shared(axis).some(Boolean)));
      setText(note, `${isRegular ? "Tiles" : "Edge tiles"} overlap their neighbours; each is drawn up to the middle of what they share.`);
    };
    const newTile = (row, size, place, [left, right], [top, bottom]) => {
      const tile = make("button", "nd-bt-tile");
      tile.type = "button";
      tile.dataset.btTile = row.n;
      tile.tabIndex = place === 0 ? 0 : -1;
      Object.assign(tile.style, { left: `${100 * left / size.width}%`, top: `${100 * top / size.height}%`, width: `${100 * (right - left) / size.width}%`, height: `${100 * (bottom - top) / size.height}%` });
      tile.append(make("span"));
      return tile;
    };
    let readOut = null;
    const tell = (n) => {
      readOut = n;
      const row = batch.rows[n], place = find(".nd-bt-readout");
      const head = make("p", "nd-bt-readout-head");
      head.append(make("strong", "", placeOf(row)), template("stage", row.stage));
      const buttons = make("div", "nd-actions");
      buttons.append(action("open", row, true));
      place.replaceChildren(head, make("p", row.error ? "nd-bt-error" : "", row.answer || row.error || "No answer yet."), buttons);
      for (const tile of all(".nd-bt-tile[data-chosen]")) tile.removeAttribute("data-chosen");
      find(`[data-bt-tile="${n}"]`)?.setAttribute("data-chosen", "");
    };
    const stepTile = (from, key) => {
      const own_ = from.getBoundingClientRect();
      const [dx, dy] = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[key];
      let best = null, least = Infinity;
      for (const tile of all(".nd-bt-tile")) {
        const box = tile.getBoundingClientRect();
        const along = (box.left - own_.left) * dx + (box.top - own_.top) * dy, across = Math.abs((box.left - own_.left) * dy) + Math.abs((box.top - own_.top) * dx);
        if (along > 1 && along + 3 * across < least) { least = along + 3 * across; best = tile; }
      }
      if (best) { from.tabIndex = -1; best.tabIndex = 0; best.focus(); }
    };
    const setView = (next) => {
      view = next;
      for (const pane of all("[data-bt-pane]")) setHidden(pane, pane.dataset.btPane !== view);
      for (const button of all("[data-bt-view]")) button.setAttribute("aria-pressed", String(button.dataset.btView === view));
      if (view === "map") drawMap(false); else { clearRows(); sift(); }
    };

    // -- what can be done
    const act = async (wish) => {
      const reply = await ask("batch_do", { id: current, ...wish });
      if (reply.error || reply.broken) { trouble(reply.error || "The server does not answer at present. Try again."); return false; }
      await refresh();
      return true;
    };
    const begin = async (id) => {
      own.add(id);
      remember(id);
      const reply = await ask("batch_do", { id, action: "begin" });
      await show(id);
      if (reply.error || reply.broken) trouble(reply.error || "The server does not answer at present. Try again.");
      await listBatches();
      window.scrollTo({ top: 0 });
    };
    const openRow = async (row) => {
      const reply = await ask("batch_open", { id: current, job: row.id });
      if (!reply.record) { trouble(reply.error || "The server does not answer at present. Try again."); return; }
      dialog().close();
      showRecord(reply.record, batch.fixed.view);
    };
    const takeAway = async (button) => {
      button.setAttribute("aria-busy", "true");
      const reply = await ask("batch_export", { id: current, kind: button.dataset.btExport });
      button.removeAttribute("aria-busy");
      find(".nd-bt-menu").open = false;
      if (!reply.url) { trouble(reply.error || "The server does not answer at present. Try again."); return; }
      trouble("");
      const link = make("a");
      link.href = reply.url;
      link.download = reply.name;
      link.click();
    };
    const remove = async () => {
      const live = batch && !batch.summary.over && batch.summary.begun;
      if (!window.confirm(live ? "Cancel this batch and delete its results?" : "Delete this batch and its results?")) return;
      const id = current;
      const reply = await ask("batch_do", { id, action: "remove" });
      if (reply.broken) { trouble("The server does not answer at present. Try again."); return; }
      forget(id);
      own.delete(id);
      await show(null);
      await listBatches();
    };
    element.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      const { btShow, btDo, btFilter, btView, btDetail, btAct, btOf, btExport, btTile } = button.dataset;
      if (btShow !== undefined) show(btShow || null);
      else if (btDo === "remove") remove();
      else if (btDo) act({ action: btDo });
      else if (btFilter) { filter = btFilter; scroller().scrollTop = 0; drawHead(); sift(); drawMap(false); }
      else if (btView) setView(btView);
      else if (btDetail !== undefined) openDialog(Number(btDetail));
      else if (btAct === "open") openRow(batch.rows[btOf]);
      else if (btAct) act({ action: btAct, jobs: [batch.rows[btOf].id] });
      else if (btExport) takeAway(button);
      else if (btTile !== undefined) tell(Number(btTile));
      else if (button.dataset.btClose !== undefined) dialog().close();
    });
    element.addEventListener("dblclick", (event) => { const tile = event.target.closest("[data-bt-tile]"); if (tile) openDialog(Number(tile.dataset.btTile)); });
    element.addEventListener("pointerover", (event) => { const tile = event.target.closest("[data-bt-tile]"); if (tile) tell(Number(tile.dataset.btTile)); });
    element.addEventListener("focusin", (event) => { const tile = event.target.closest("[data-bt-tile]"); if (tile) tell(Number(tile.dataset.btTile)); });
    element.addEventListener("keydown", (event) => {
      const tile = event.target.closest("[data-bt-tile]");
      if (tile && event.key.startsWith("Arrow")) { event.preventDefault(); stepTile(tile, event.key); }
      if (event.key === "Escape" && find(".nd-bt-menu").open) { find(".nd-bt-menu").open = false; find(".nd-bt-menu summary").focus(); }
    });
    element.addEventListener("input", (event) => {
      if (event.target.matches(".nd-bt-search input")) { needle = event.target.value.trim().toLowerCase(); scroller().scrollTop = 0; if (batch) { sift(); drawMap(false); } }
      else if (event.target.closest(".nd-bt-map-tools")) drawMap(false);
    });
    let scrolled = 0;
    scroller().addEventListener("scroll", () => { if (!scrolled) scrolled = requestAnimationFrame(() => { scrolled = 0; drawRows(); }); }, { passive: true });
    new ResizeObserver(() => drawRows()).observe(scroller());
    dialog().addEventListener("close", () => { detailed = null; });
    dialog().addEventListener("click", (event) => { if (event.target === dialog()) dialog().close(); });
    document.addEventListener("click", (event) => {
      const start = event.target.closest("[data-batch-begin]");
      if (start && !start.disabled) { start.disabled = true; begin(start.dataset.batchBegin); }
      const menu = find(".nd-bt-menu");
      if (menu.open && !menu.contains(event.target)) menu.open = false;
    });
    document.addEventListener("nadir-lost", () => { if (find(".nd-bt-board").matches("[data-going]")) trouble(LOST); });
    document.addEventListener("visibilitychange", () => { if (!document.hidden && current) refresh(); });
    window.addEventListener("storage", (event) => { if (event.key && event.key.startsWith(PREFIX)) listBatches(); });
    new IntersectionObserver((seen) => { if (seen.some((one) => one.isIntersecting) && current) refresh(); }).observe(element);

    document.body.dataset.batch = "new";
    listBatches().then((batches) => {
      const live = batches.find((one) => one.begun && !one.over);
      if (live && !current) show(live.id);
    });
  };
  window.nadirBatch = { attachFiles, attachBoard, beginLook, defaultsOf };
})();
