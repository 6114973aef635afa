/* What the page does in the browser: theme, ticking seconds, copy and download, the scene's drop zone, and the
   browser's own record of jobs, one storage key per job so that tabs never overwrite each other's. */
(() => {
  "use strict";
  const JOB_PREFIX = "nadir.job.";
  const MAX_TURNS = 8;
  const THEME_KEY = "nadir.theme";
  const KEEP_MS = 7 * 24 * 3600 * 1000;

  // ---- storage: every access may be refused (private windows, full disks), and the page must go on
  const read = (storage, key) => { try { return JSON.parse(storage().getItem(key)); } catch { return null; } };
  const write = (storage, key, value) => { try { storage().setItem(key, JSON.stringify(value)); return true; } catch { return false; } };
  const drop = (storage, key) => { try { storage().removeItem(key); } catch { /* nothing to drop */ } };
  const local = () => window.localStorage;
  const tab = () => window.sessionStorage;
  const jobKeys = () => { try { return Object.keys(local()).filter((key) => key.startsWith(JOB_PREFIX)); } catch { return []; } };

  const forgetOld = () => {
    for (const key of jobKeys()) {
      const record = read(local, key);
      if (!record || Date.now() - record.submitted_at * 1000 > KEEP_MS) drop(local, key);
    }
  };

  // ---- the jobs that this browser remembers
  const BUDGET = 3_000_000; // characters; browsers give a site about 5 million
  const announceJobs = () => document.dispatchEvent(new Event("nadir-jobs"));
  const allJobs = () => jobKeys().map((key) => read(local, key)).filter((record) => record && record.key);
  const sizeOfJob = (key) => { try { return key.length + (local().getItem(key) || "").length; } catch { return 0; } };
  const storedSize = () => jobKeys().reduce((sum, key) => sum + sizeOfJob(key), 0);
  /* Makes the records smaller than `budget` together: the oldest thumbnails go first, then the oldest jobs that ended. */
  const makeRoom = (budget) => {
    let used = storedSize();
    if (used <= budget) return;
    const oldestFirst = allJobs().sort((a, b) => a.submitted_at - b.submitted_at);
    for (const record of oldestFirst) {
      if (used <= budget) return;
      if (!record.thumbnail) continue;
      used -= record.thumbnail.length;
      record.thumbnail = "";
      write(local, JOB_PREFIX + record.key, record);
    }
    for (const record of oldestFirst) {
      if (used <= budget) return;
      if (!record.state) continue;
      used -= sizeOfJob(JOB_PREFIX + record.key);
      drop(local, JOB_PREFIX + record.key);
    }
  };
  const putJob = (record) => {
    if (!write(local, JOB_PREFIX + record.key, record)) { forgetOld(); makeRoom(storedSize() / 2); write(local, JOB_PREFIX + record.key, record); }
    makeRoom(BUDGET);
    announceJobs();
  };
  /* Changes what is remembered of a job. A job that was forgotten meanwhile, in any tab, stays forgotten. */
  const updateJob = (record) => {
    const before = read(local, JOB_PREFIX + record.key);
    if (before) putJob({ ...before, ...record });
    return Boolean(before);
  };
  const forgetJobs = (keys) => { for (const key of keys) drop(local, JOB_PREFIX + key); announceJobs(); };

  /* Keeps a job's record before its first poll. `record` is a JSON object with `service` and `key`, and with `call_id`
     once the service has taken the job. */
  const watched = new Set(); // keys of the jobs whose course this tab shows
  const keepJob = (record) => {
    if (!record || !record.key || !updateJob(record)) return;
    if (record.state) watched.delete(record.key); else watched.add(record.key);
    write(tab, `nadir.current.${record.service}`, record.key);
  };
  const endWatch = (record) => { keepJob(record); watched.delete(record && record.key); };
  /* Makes a remembered job this tab's own, for its view to show. */
  const openJob = (record) => {
    watched.delete(read(tab, `nadir.current.${record.service}`));
    write(tab, `nadir.current.${record.service}`, record.key);
    drop(tab, draftKey(record.service === "vqa" ? "ask" : "caption"));
  };

  /* The job to show when the page opens: this tab's own, else the newest of the service. */
  const currentJob = (service) => {
    const own = read(tab, `nadir.current.${service}`);
    if (own === "") return null;
    const ownRecord = own && read(local, JOB_PREFIX + own);
    if (ownRecord) return ownRecord;
    const records = jobKeys().map((key) => read(local, key)).filter((record) => record && record.service === service);
    records.sort((a, b) => b.submitted_at - a.submitted_at);
    return records[0] || null;
  };
  /* Draws up the record of a new job from what is on the page, and keeps it before anything is sent. A question about
     the scene of the question before it takes the conversation along. */
  const newJob = (service, { scene, prompt, max_tokens, temperature, detail, enlarge }, before, asks) => {
    const source = scene && scene.source && !scene.source.refusal
      ? { ...scene.source, name: scene.name || "", rendering: scene.rendering || null, window: scene.window || null } : null;
    const part = (of) => JSON.stringify([of.upload, of.sample, of.window].map((value) => value ?? null));
    const sameScene = before && before.scene && source && part(before.scene) === part(source);
    const turns = asks && sameScene ? [...(before.turns || [])] : [];
    if (asks && sameScene && before.state === "done") turns.push({ question: before.prompt, answer: before.answer });
    turns.splice(0, Math.max(0, turns.length - MAX_TURNS));
    const record = {
      key: newKey(), service, call_id: "", prompt, scene: source, max_tokens, temperature, detail, enlarge,
      submitted_at: Date.now() / 1000, turns, state: "", answer: "",
    };
    putJob(record);
    keepJob(record);
    document.dispatchEvent(new Event("nadir-job-start"));
    drop(tab, draftKey(asks ? "ask" : "caption"));
    if (matchMedia("(max-width: 820px)").matches) visible(".nd-right")?.scrollIntoView({ block: "start" });
    return record;
  };
  const visible = (selector) => [...document.querySelectorAll(selector)].find((node) => node.getClientRects().length > 0);
  const leaveJob = (service) => write(tab, `nadir.current.${service}`, "");
  /* What a view shows of its job, as [status, answer, record], after another scene was chosen: nothing any more, unless
     the job goes on, or the choice was refused and its scene is still there. */
  const leaveScene = (service, empty, scene, ...[status, answer, record]) => {
    if (scene?.refused || (record && !record.state)) return [status, answer, record];
    leaveJob(service);
    return ["", empty, null];
  };
  const newKey = () => (crypto.randomUUID ? crypto.randomUUID() : Array.from(crypto.getRandomValues(new Uint8Array(16)), (b) => b.toString(16).padStart(2, "0")).join(""));

  // ---- theme
  const applyTheme = () => {
    const wish = read(local, THEME_KEY);
    const query = new URLSearchParams(location.search).get("__theme");
    const dark = query ? query === "dark" : wish ? wish === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    document.body.classList.toggle("dark", dark);
  };
  const toggleTheme = () => {
    const dark = !document.body.classList.contains("dark");
    write(local, THEME_KEY, dark ? "dark" : "light");
    document.body.classList.toggle("dark", dark);
  };

  // ---- what was typed and not sent yet survives a reload
  const draftKey = (name) => `nadir.draft.${name}`;
  document.addEventListener("input", (event) => {
    const name = event.target.closest("#caption-prompt") ? "caption" : event.target.closest("#ask-prompt") ? "ask" : null;
    if (name) write(tab, draftKey(name), event.target.value);
  });
  const restoreDraft = (name) => {
    const draft = read(tab, draftKey(name));
    if (draft) fillField(`${name}-prompt`, draft, false);
  };

  // ---- the road to the app: while a job or a batch is shown as going on, its silence must not look like work
  const CHECK_MS = 3000;
  let lost = false;
  const watchRoad = async () => {
    const going = document.querySelector(".nd-job .nd-cancel") || visible(".nd-bt-board[data-going]");
    if (!going && !lost) return;
    const { root = "", api_prefix: prefix = "/gradio_api", app_id: known } = window.gradio_config || {};
    try {
      const answer = await fetch(`${root}${prefix}/app_id`, { cache: "no-store", signal: AbortSignal.timeout(CHECK_MS) });
      const { app_id: now } = await answer.json();
      if (lost || now !== known) location.reload();
    } catch { lost = true; document.dispatchEvent(new Event("nadir-lost")); }
    document.body.classList.toggle("nd-lost", lost);
  };

  // ---- seconds that tick between the server's answers
  const formatSeconds = (s) => {
    if (s < 9.95) return `${s.toFixed(1)} s`;
    if (s < 99.5) return `${Math.round(s)} s`;
    const whole = Math.round(s);
    return `${Math.floor(whole / 60)} min ${String(whole % 60).padStart(2, "0")} s`;
  };
  const formatDate = (seconds) => new Date(seconds * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  const tick = () => {
    if (lost) return;
    for (const element of document.querySelectorAll("[data-ticking]")) {
      element.ndStart ??= performance.now() - Number(element.dataset.ticking) * 1000;
      element.textContent = formatSeconds((performance.now() - element.ndStart) / 1000);
    }
  };

  // ---- buttons within fragments
  const flash = (button, word) => {
    const label = button.querySelector("span");
    const before = label && label.textContent;
    button.dataset.done = "";
    if (label) label.textContent = word;
    setTimeout(() => { delete button.dataset.done; if (label) label.textContent = before; }, 1400);
  };
  const copy = async (text) => {
    try { await navigator.clipboard.writeText(text); return true; } catch { /* not a secure context: the old way */ }
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  const download = (name, content, type = "application/json") => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([content], { type }));
    link.download = name;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  };
  const press = (id) => {
    const target = document.getElementById(id);
    if (!target) return;
    (target.matches("button") ? target : target.querySelector("button") || target).click();
  };
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-copy],[data-download],[data-press],[data-theme-toggle],[data-fill]");
    if (!button) return;
    const { copy: text, download: name, content, press: target, fill, into } = button.dataset;
    if (text !== undefined) flash(button, (await copy(text)) ? "Copied" : "Not copied");
    if (name !== undefined) { download(name, content); flash(button, "Saved"); }
    if (target !== undefined) press(target);
    if (button.dataset.themeToggle !== undefined) toggleTheme();
    if (fill !== undefined) fillField(into, fill);
  });
  const fillField = (id, text, focus = true) => {
    const field = document.querySelector(`#${id} textarea, #${id} input`);
    if (!field) return;
    const prototype = field.tagName === "TEXTAREA" ? HTMLTextAreaElement.prototype : HTMLInputElement.prototype;
    Object.getOwnPropertyDescriptor(prototype, "value").set.call(field, text);
    field.dispatchEvent(new Event("input", { bubbles: true }));
    if (focus) field.focus();
  };

  const openDialog = (id) => {
    // The fragment that holds the dialog may be drawn a moment after its value arrives.
    let tries = 0;
    const open = () => {
      const dialog = document.querySelector(`#${id} dialog`);
      if (dialog) { if (!dialog.open) dialog.showModal(); } else if (++tries < 60) requestAnimationFrame(open);
    };
    requestAnimationFrame(open);
  };
  document.addEventListener("click", (event) => {
    const dialog = event.target.closest("dialog.nd-dialog");
    if (dialog && (event.target === dialog || event.target.closest("[data-close]"))) dialog.close();
  });

  // ---- the scene panel: drop, paste, choose, sample
  const gigabyte = 1e9;
  const formatBytes = (count) => count < 999500 ? `${Math.max(1, Math.round(count / 1e3))} kB`
    : count < 999.5e6 ? `${(count / 1e6).toFixed(count < 9.95e6 ? 1 : 0)} MB` : `${(count / gigabyte).toFixed(1)} GB`;

  const showUpload = (element, text, share) => {
    const panel = element.querySelector(".nd-upload");
    if (!panel) return;
    panel.hidden = false;
    panel.querySelector(".nd-upload-text").textContent = text;
    panel.querySelector(".nd-bar span").style.width = `${Math.round(share * 100)}%`;
  };
  const uploadURL = () => {
    const { root = "", api_prefix: prefix = "/gradio_api" } = window.gradio_config || {};
    return `${root}${prefix}/upload`;
  };
  const sendFile = (file, onProgress) => new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", uploadURL());
    request.upload.onprogress = (event) => onProgress(event.loaded, event.total);
    request.onload = () => {
      try {
        if (request.status === 200) return resolve(JSON.parse(request.responseText)[0]);
      } catch { /* no JSON: told below */ }
      return reject(new Error(request.status === 413 ? "The file is larger than this page accepts." : "The upload was refused. Try again."));
    };
    request.onerror = () => reject(new Error("The connection broke during the upload. Try again."));
    const body = new FormData();
    body.append("files", file, file.name || "pasted.png");
    request.send(body);
  });

  /* Makes a gr.HTML component a scene panel. Its value is {html, source, rendering, window, ...}; a new source is
     announced by `input`, another rendering or window by `edit`. Until the server has answered, `kept` is the scene that
     was there before, to which a refusal returns. */
  const attachScene = (element, id, props, announce, watch) => {
    let turn = 0;
    let sent = 0;
    let newest = props.value;
    const draws = [];
    const redraw = () => draws.forEach((draw) => draw());
    const shown = ({ kept, source, name, rendering, window }) =>
      kept !== undefined ? kept : source ? { source, name, rendering, window } : null;
    const change = (changes, event) => {
      props.value = { ...props.value, ...changes, kept: shown(props.value), turn: ++sent };
      element.querySelector(".nd-scene")?.setAttribute("aria-busy", "true");
      announce(event);
    };
    const choose = (source, name) =>
      change({ source, name, rendering: null, window: null, remembered: nadir.rememberedRenderings() }, "input");
    const panel = {
      id,
      element,
      value: () => props.value,
      edit: (changes) => change({ remembered: null, ...changes }, "edit"),
      onDraw: (draw) => { draws.push(draw); draw(); },
    };
    // An answer to an earlier change may come after that to a later one, and must not undo it.
    watch("value", () => {
      if (props.value.turn < newest.turn) { props.value = newest; queueMicrotask(redraw); }
      else { newest = props.value; redraw(); }
    });
    for (const attach of [nadir.attachRendering, nadir.attachRegion, nadir.attachOverlay]) attach(panel);
    const upload = async (file) => {
      if (!file) return;
      const mine = ++turn;
      showUpload(element, `Uploading ${file.name}`, 0);
      try {
        const path = await sendFile(file, (loaded, total) => {
          if (mine !== turn) return;
          const done = loaded >= total;
          showUpload(element, done ? `Reading ${file.name}` : `Uploading ${file.name}, ${formatBytes(loaded)} of ${formatBytes(total)}`, loaded / total);
        });
        if (mine === turn) choose({ upload: path }, file.name || "pasted image");
      } catch (error) {
        if (mine === turn) choose({ refusal: error.message }, file.name || "");
      }
    };
    element.ndUpload = upload;
    element.ndSample = (key) => { turn += 1; showUpload(element, "Reading the scene", 1); choose({ sample: key }, ""); };
    element.addEventListener("click", (event) => {
      if (event.target.closest("[data-choose]")) element.querySelector(".nd-file").click();
      else if (event.target.closest("[data-clear]")) { turn += 1; choose(null, ""); }
      else if (event.target.closest("[data-dismiss]")) {
        element.querySelector(".nd-refusal").remove();
        element.querySelector(".nd-frame-tools [data-choose]").focus();
      }
    });
    element.addEventListener("change", (event) => {
      if (!event.target.matches(".nd-file")) return;
      upload(event.target.files[0]);
      event.target.value = "";
    });
    const frame = () => element.querySelector(".nd-frame");
    element.addEventListener("dragover", (event) => { event.preventDefault(); frame()?.setAttribute("data-over", ""); });
    element.addEventListener("dragleave", () => frame()?.removeAttribute("data-over"));
    element.addEventListener("drop", (event) => {
      event.preventDefault();
      event.stopPropagation();
      frame()?.removeAttribute("data-over");
      upload(event.dataTransfer.files[0]);
    });
  };
  const sceneElement = (host) => [host, ...(host?.querySelectorAll("*") || [])].find((node) => node?.ndUpload);
  document.addEventListener("paste", (event) => {
    const file = [...(event.clipboardData?.files || [])][0];
    const host = file && visible(".nd-scene-host");
    if (host) { event.preventDefault(); sceneElement(host)?.ndUpload(file); }
  });
  document.addEventListener("click", (event) => {
    const sample = event.target.closest("[data-sample]");
    if (sample) sceneElement(visible(".nd-scene-host"))?.ndSample(sample.dataset.sample);
  });
  // A file dropped beside the frame must not replace the page.
  for (const name of ["dragover", "drop"]) window.addEventListener(name, (event) => event.preventDefault());

  // Enter asks a question, as in any conversation; a prompt may have lines, and is sent by Ctrl+Enter.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing) return;
    const asks = event.target.matches("#ask-prompt textarea") && !event.shiftKey;
    if (!asks && !event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    visible(".nd-go")?.click();
  }, { capture: true });

  // On a phone the action floats, until what it brought about is on the screen.
  const releaseAction = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      target.parentElement?.querySelector(".nd-go")?.toggleAttribute("data-unstuck", isIntersecting);
    }
  }, { rootMargin: "0px 0px -35% 0px" });
  const watchAnswers = () => {
    for (const panel of document.querySelectorAll(".nd-right:not([data-watched])")) {
      panel.dataset.watched = "";
      releaseAction.observe(panel);
    }
  };

  const begin = () => { applyTheme(); forgetOld(); setInterval(tick, 100); setInterval(watchRoad, CHECK_MS); setInterval(watchAnswers, 1000); };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin); else begin();
  window.nadir = {
    read, write, local, attachScene, keepJob, endWatch, currentJob, leaveScene, newJob, restoreDraft, openDialog,
    press, download, flash, formatSeconds, formatDate,
    allJobs, updateJob, putJob, forgetJobs, openJob, storedSize, isWatched: (key) => watched.has(key),
  };
})();
