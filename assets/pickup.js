/* Picks up the jobs that this browser remembers as running and that no tab watches: it has the server follow them, and
   writes down how they end. */
(() => {
  "use strict";
  const MAX_PENDING = 40;
  const LOOK_EVERY_MS = 3000;
  const SILENCE_MS = 20000; // four of the server's beats: it was restarted, or the connection is gone
  const PAUSE_MS = 10000;
  const stages = new Map(); // key to what the job is doing, as last heard

  const applyEnd = (key, told) => {
    const record = nadir.allJobs().find((one) => one.key === key);
    if (record && !record.state) nadir.updateJob({ key, ...told });
  };
  const take = (news) => {
    for (const { key, stage, ...told } of news) {
      if (told.state) { stages.delete(key); applyEnd(key, told); } else stages.set(key, stage);
    }
    document.dispatchEvent(new Event("nadir-jobs"));
  };
  const pendingJobs = () => nadir.allJobs()
    .filter((record) => !record.state && record.call_id && !nadir.isWatched(record.key))
    .sort((a, b) => b.submitted_at - a.submitted_at).slice(0, MAX_PENDING)
    .map(({ key, service, call_id }) => ({ key, service, call_id }));

  /* `props.value` goes to the server by `announce`, and what comes back is told by `watch`. */
  const attach = (props, announce, watch) => {
    let following = false, heardAt = 0, pauseUntil = 0;
    const look = () => {
      if (following && Date.now() - heardAt > SILENCE_MS) following = false;
      if (following || document.hidden || Date.now() < pauseUntil) return;
      const pending = pendingJobs();
      if (!pending.length) return;
      following = true;
      heardAt = Date.now();
      props.value = { pending, news: [] };
      announce();
    };
    watch("value", () => {
      const { news = [], over } = props.value || {};
      heardAt = Date.now();
      take(news);
      if (over) { following = false; pauseUntil = Date.now() + PAUSE_MS; }
    });
    setInterval(look, LOOK_EVERY_MS);
  };
  window.nadirPickup = { attach, stages };
})();
