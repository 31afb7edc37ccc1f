"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const get = (id) => document.getElementById(id);
  const stage = get("stage"), trouble = get("trouble");
  const frame = data.rate[1] / data.rate[0];
  const sides = ["a", "b"].map((key) => ({
    video: get(key), select: get(`rung-${key}`), name: get(`name-${key}`), hls: null, order: [], stale: false,
  }));
  const [left, right] = sides;
  const fail = (text) => { trouble.textContent = text; };

  if (location.protocol === "file:") {
    fail("Browsers do not load video segments from files: serve this folder over HTTP.");
    return;
  }
  if (!window.Hls || !Hls.isSupported()) {
    fail("This browser cannot play the package: it lacks Media Source Extensions.");
    return;
  }

  // --- the two players ------------------------------------------------------------------------
  function describe(level) {
    return `${level.width}×${level.height}, ${Math.round((level.averageBitrate || level.bitrate) / 1000)} kbit/s`;
  }

  function attach(side, chosen) {
    const hls = new Hls({ enableWorker: false, maxBufferLength: 20, backBufferLength: 30, startLevel: 0 });
    side.hls = hls;
    hls.on(Hls.Events.ERROR, (_, problem) => {
      if (problem.fatal) fail(`The player stopped: ${problem.details}.`);
    });
    hls.on(Hls.Events.MANIFEST_PARSED, () => {
      side.order = hls.levels.map((_, i) => i).sort((i, j) => hls.levels[j].bitrate - hls.levels[i].bitrate);
      const named = data.names.length === side.order.length;
      side.order.forEach((level, rank) => {
        const option = document.createElement("option");
        option.value = String(level);
        option.textContent = named ? data.names[rank] : describe(hls.levels[level]);
        side.select.append(option);
      });
      if (side === left) {
        const option = document.createElement("option");
        option.value = "-1";
        option.textContent = "automatic, as the network allows";
        side.select.append(option);
      }
      side.select.value = String(side.order[chosen(side.order.length)]);
      choose(side);
    });
    // A paused picture stays as it was decoded until it is sought again.
    hls.on(Hls.Events.FRAG_BUFFERED, (_, { frag }) => {
      const time = side.video.currentTime;
      if (!side.stale || frag.type !== "main" || frag.start > time || time >= frag.end) return;
      side.stale = false;
      if (side.video.paused) side.video.currentTime = (frameOf(time) + 0.5) * frame;
    });
    hls.loadSource(data.master);
    hls.attachMedia(side.video);
  }

  function choose(side) {
    const level = Number(side.select.value);
    side.stale = true;
    side.hls.currentLevel = level;
    side.name.textContent = side.select.selectedOptions[0].textContent;
  }
  for (const side of sides) side.select.addEventListener("change", () => choose(side));

  // --- one clock for both ---------------------------------------------------------------------
  const duration = () => (Number.isFinite(left.video.duration) ? left.video.duration : 0);
  const frameOf = (time) => Math.floor(time / frame + 1e-3);

  function goto(number) {
    const last = Math.max(0, Math.round(duration() / frame) - 1);
    // The middle of a frame: no rounding can show a neighbour.
    const time = (Math.max(0, Math.min(last, number)) + 0.5) * frame;
    for (const side of sides) side.video.currentTime = time;
  }
  async function play() {
    try {
      await Promise.all(sides.map((side) => side.video.play()));
    } catch (error) {
      if (error.name !== "AbortError") fail(`The browser does not start to play: ${error.message}`);
    }
  }
  function pause() {
    for (const side of sides) side.video.pause();
    goto(frameOf(left.video.currentTime));
  }
  const toggle = () => (left.video.paused ? play() : pause());
  get("play").addEventListener("click", toggle);
  get("back").addEventListener("click", () => { pause(); goto(frameOf(left.video.currentTime) - 1); });
  get("forward").addEventListener("click", () => { pause(); goto(frameOf(left.video.currentTime) + 1); });
  left.video.addEventListener("ended", () => right.video.pause());

  const seek = get("seek"), clock = get("clock");
  let dragging = false;
  seek.addEventListener("input", () => {
    dragging = true;
    goto(frameOf((Number(seek.value) / 1000) * duration()));
  });
  seek.addEventListener("change", () => { dragging = false; });

  function follow() {
    const drift = right.video.currentTime - left.video.currentTime;
    if (!left.video.paused) {
      // A stalled side holds the other back; small drifts are played away, large ones jumped.
      if (Math.abs(drift) > 0.3) right.video.currentTime = left.video.currentTime;
      right.video.playbackRate = Math.abs(drift) < 0.01 ? 1 : 1 - Math.max(-0.1, Math.min(0.1, drift));
      if (right.video.paused && !left.video.ended) right.video.play().catch(() => {});
    }
    get("play").textContent = left.video.paused ? "Play" : "Pause";
    if (!dragging && duration()) seek.value = String((left.video.currentTime / duration()) * 1000);
    const time = left.video.currentTime;
    clock.textContent =
      `${Math.floor(time / 60)}:${(time % 60).toFixed(2).padStart(5, "0")}, frame ${frameOf(time)}`;
    seek.setAttribute("aria-valuetext", clock.textContent);
    requestAnimationFrame(follow);
  }

  // --- the divider, sound, zoom ---------------------------------------------------------------
  const split = get("split");
  function divide(percent) {
    const bounded = Math.max(0, Math.min(100, percent));
    split.value = String(bounded);
    stage.style.setProperty("--split", `${bounded}%`);
    right.video.style.setProperty("--split-b", clip(bounded));
    split.setAttribute("aria-valuetext", `${Math.round(bounded)} % left`);
  }
  // A zoomed picture is clipped before it is enlarged, around the point that stays in place.
  function clip(percent) {
    if (!stage.classList.contains("zoomed")) return `${percent}%`;
    const fixed = parseFloat(getComputedStyle(stage).getPropertyValue("--zx") || "50");
    return `${Math.max(0, Math.min(100, fixed + (percent - fixed) / 2))}%`;
  }
  split.addEventListener("input", () => divide(Number(split.value)));
  function point(event) {
    const box = stage.getBoundingClientRect();
    divide(((event.clientX - box.left) / box.width) * 100);
  }
  stage.addEventListener("pointerdown", (event) => { stage.setPointerCapture(event.pointerId); point(event); });
  stage.addEventListener("pointermove", (event) => { if (event.buttons) point(event); });
  left.video.muted = true;
  const sound = get("sound");
  sound.addEventListener("click", () => {
    left.video.muted = !left.video.muted;
    sound.textContent = left.video.muted ? "Sound off" : "Sound on";
  });
  const zoom = get("zoom");
  zoom.setAttribute("aria-pressed", "false");
  zoom.addEventListener("click", () => {
    const on = stage.classList.toggle("zoomed");
    zoom.setAttribute("aria-pressed", String(on));
    stage.style.setProperty("--zx", `${split.value}%`);
    divide(Number(split.value));
  });
  document.addEventListener("keydown", (event) => {
    if (event.target.closest("button, select, input")) return;
    const act = { " ": toggle, ",": () => get("back").click(), ".": () => get("forward").click() }[event.key];
    if (act) { event.preventDefault(); act(); }
  });

  attach(left, () => 0);
  attach(right, (count) => Math.min(count - 1, Math.ceil(count / 2)));
  divide(50);
  requestAnimationFrame(follow);
})();
