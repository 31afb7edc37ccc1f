// Plays a package in hls.js, dash.js and Shaka Player (DASH and HLS) in headless Chromium:
//
//     node play.mjs PACKAGE_FOLDER [--chromium PROGRAM]
//
// Each player must start, switch through every rung, show the first subtitles if there are any,
// seek back and forth, and reach the end, without one error event. Prints a JSON object; exits
// with 1 if a player failed.

import { createReadStream, existsSync, statSync } from 'node:fs';
import http from 'node:http';
import { createRequire } from 'node:module';
import path from 'node:path';
import { chromium } from 'playwright-core';

const require = createRequire(import.meta.url);
const TYPES = {
  '.html': 'text/html', '.js': 'text/javascript', '.m3u8': 'application/vnd.apple.mpegurl',
  '.mpd': 'application/dash+xml', '.m4s': 'video/iso.segment', '.mp4': 'video/mp4',
};

function library(name, file) {
  let folder = path.dirname(require.resolve(name));
  while (!existsSync(path.join(folder, file))) {
    const up = path.dirname(folder);
    if (up === folder) throw new Error(`${name} has no ${file}`);
    folder = up;
  }
  return path.join(folder, file);
}

const LIBRARIES = {
  '/lib/hls.js': library('hls.js', 'dist/hls.min.js'),
  '/lib/dash.js': library('dashjs', 'dist/modern/umd/dash.all.min.js'),
  '/lib/shaka.js': library('shaka-player', 'dist/shaka-player.compiled.js'),
};
// Drawn small: without a graphics card the browser scales and blends every picture itself.
const PAGE = `<!doctype html><meta charset="utf-8">
<video id="video" width="96" muted playsinline></video>
<script src="/lib/hls.js"></script><script src="/lib/dash.js"></script>
<script src="/lib/shaka.js"></script>`;

function serve(folder) {
  const server = http.createServer((request, response) => {
    const name = decodeURIComponent(new URL(request.url, 'http://x').pathname);
    if (name === '/') {
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end(PAGE);
      return;
    }
    const file = LIBRARIES[name] ?? path.join(folder, path.normalize(name));
    if (!existsSync(file) || !statSync(file).isFile()) {
      response.writeHead(404);
      response.end();
      return;
    }
    const size = statSync(file).size;
    const headers = { 'content-type': TYPES[path.extname(file)] ?? 'application/octet-stream' };
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    if (range) {
      const start = Number(range[1]);
      const end = range[2] === '' ? size - 1 : Math.min(size - 1, Number(range[2]));
      response.writeHead(206, {
        ...headers, 'content-length': end - start + 1, 'content-range': `bytes ${start}-${end}/${size}`,
      });
      createReadStream(file, { start, end }).pipe(response);
    } else {
      response.writeHead(200, { ...headers, 'content-length': size });
      createReadStream(file).pipe(response);
    }
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => resolve(server));
  });
}

// Runs in the page. Each adapter gives: errors, rungs() -> heights, select(i), current() -> i.
async function playInPage([kind, address]) {
  const video = document.getElementById('video');
  const errors = [];
  const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
  // What the video did last, for the message of a failure.
  const past = [];
  const began = performance.now();
  for (const name of ['seeking', 'seeked', 'waiting', 'playing', 'pause', 'stalled', 'ended', 'durationchange'])
    video.addEventListener(name, () => past.push(
      `${((performance.now() - began) / 1000).toFixed(1)} ${name} ${video.currentTime.toFixed(3)}`));
  const state = () => {
    const ranges = [...Array(video.buffered.length).keys()]
      .map((i) => `${video.buffered.start(i).toFixed(3)}–${video.buffered.end(i).toFixed(3)}`);
    return `at ${video.currentTime.toFixed(3)} of ${video.duration}, ready state ${video.readyState}, `
      + `${video.paused ? 'paused' : 'playing'}, buffered ${ranges}; ${past.slice(-14).join(', ')}`;
  };
  // A busy machine takes its time; what is broken never comes.
  const until = async (what, condition, seconds = 90) => {
    const end = performance.now() + seconds * 1000;
    while (!condition()) {
      if (errors.length) throw new Error(`${what}: ${errors[0]} (${state()})`);
      if (performance.now() > end) throw new Error(`${what}: not within ${seconds} s (${state()})`);
      await sleep(50);
    }
  };
  video.addEventListener('error', () => errors.push(`video: ${video.error?.message}`));
  let ended = null;
  const end = () => { ended ??= video.currentTime; };
  video.addEventListener('ended', end);

  const adapters = {
    'hls.js': async () => {
      const hls = new Hls({ maxBufferLength: 3 });
      let shown = -1;
      let stalls = 0;
      hls.on(Hls.Events.ERROR, (_, data) => {
        // Leaving a rung stops the segment that is on its way: that is not a fault. A busy machine
        // decodes late, which hls.js calls a stall; a gap in the media has other names.
        const { INTERNAL_ABORTED, BUFFER_STALLED_ERROR } = Hls.ErrorDetails;
        if (!data.fatal && data.details === INTERNAL_ABORTED) return;
        if (!data.fatal && data.details === BUFFER_STALLED_ERROR && stalls < 3) {
          stalls += 1;
          return;
        }
        errors.push(`hls.js ${data.type} ${data.details}`);
      });
      hls.on(Hls.Events.LEVEL_SWITCHED, (_, data) => { shown = data.level; });
      hls.loadSource(address);
      hls.attachMedia(video);
      await until('manifest', () => hls.levels.length > 0);
      return {
        rungs: () => hls.levels.map((level) => level.height),
        select: (i) => { hls.currentLevel = i; },
        current: () => shown,
        subtitles: () => {
          if (hls.subtitleTracks.length === 0) return false;
          hls.subtitleTrack = 0;
          hls.subtitleDisplay = true;
          return true;
        },
        close: () => hls.destroy(),
      };
    },
    'dash.js': async () => {
      const player = dashjs.MediaPlayer().create();
      player.updateSettings({
        debug: { logLevel: 0 },
        streaming: { abr: { autoSwitchBitrate: { video: false } } },
      });
      player.on('error', (event) => errors.push(`dash.js ${event.error?.message ?? event.error}`));
      // Where dash.js sees the last picture's end before the browser does, it stops the video there
      // and says so itself; the browser's event then never comes.
      player.on('playbackEnded', end);
      player.initialize(video, address, false);
      let ready = false;
      player.on('streamInitialized', () => { ready = true; });
      await until('manifest', () => ready);
      const rungs = player.getRepresentationsByType('video');
      return {
        rungs: () => rungs.map((rung) => rung.height),
        select: (i) => player.setRepresentationForTypeById('video', rungs[i].id, true),
        current: () => rungs.findIndex(
          (rung) => rung.id === player.getCurrentRepresentationForType('video')?.id),
        subtitles: () => {
          if (player.getTracksFor('text').length === 0) return false;
          player.enableText(true);
          player.setTextTrack(0);
          return true;
        },
        close: () => player.destroy(),
      };
    },
    shaka: async () => {
      const player = new shaka.Player();
      player.addEventListener('error', (event) => errors.push(`shaka ${event.detail?.code}`));
      await player.attach(video);
      player.configure({ abr: { enabled: false }, streaming: { bufferingGoal: 3 } });
      await player.load(address);
      const tracks = player.getVariantTracks().sort((a, b) => b.bandwidth - a.bandwidth);
      return {
        rungs: () => tracks.map((track) => track.height),
        // A second of the old rung is kept: clearing up to the playhead stops a busy machine.
        select: (i) => player.selectVariantTrack(tracks[i], true, 1),
        current: () => tracks.findIndex(
          (track) => track.id === player.getVariantTracks().find((t) => t.active)?.id),
        subtitles: () => {
          if (player.getTextTracks().length === 0) return false;
          player.selectTextTrack(player.getTextTracks()[0]);
          return true;
        },
        close: () => player.destroy(),
      };
    },
  };

  const player = await adapters[kind]();
  const heights = player.rungs();
  const seen = [];
  try {
    // Shaka Player places subtitles of HLS when it next loads a segment, so they are wanted first.
    const titled = player.subtitles();
    await video.play();
    await until('start', () => video.currentTime > 0.1);
    const duration = video.duration;
    let shown = '';
    if (titled) {
      await until('subtitles', () => [...video.textTracks].some((track) => {
        shown = track.activeCues?.[0]?.text ?? '';
        return shown !== '';
      }));
    }
    for (let i = 0; i < heights.length; i += 1) {
      player.select(i);
      await until(`rung ${i}`, () => {
        // Too late for the last segments: the rung shows from the start.
        if (video.ended || video.currentTime > duration - 2) {
          video.currentTime = 0.1;
          if (video.paused) video.play();
        }
        return player.current() === i && video.videoHeight === heights[i];
      });
      const before = video.currentTime;
      await until(`playing rung ${i}`, () => video.currentTime > before + 0.1);
      seen.push(video.videoHeight);
    }
    for (const place of [0.75 * duration, 0.2 * duration, duration - 2]) {
      video.currentTime = place;
      if (video.paused) await video.play();
      await until(`seek to ${place}`, () => !video.seeking && video.currentTime > place);
    }
    ended = null;
    await until('end', () => ended !== null);
    if (errors.length) throw new Error(errors.join('; '));
    const quality = video.getVideoPlaybackQuality();
    return {
      ok: true, heights, seen, shown, duration, ended,
      frames: quality.totalVideoFrames, dropped: quality.droppedVideoFrames,
      corrupted: quality.corruptedVideoFrames, seconds: (performance.now() - began) / 1000, past,
    };
  } catch (error) {
    return { ok: false, heights, seen, error: String(error.message ?? error) };
  } finally {
    await player.close();
  }
}

async function main() {
  const [folder, flag, program] = process.argv.slice(2);
  if (!folder || (flag && flag !== '--chromium')) {
    throw new Error('usage: node play.mjs PACKAGE_FOLDER [--chromium PROGRAM]');
  }
  const server = await serve(path.resolve(folder));
  const { port } = server.address();
  const browser = await chromium.launch({
    executablePath: program ?? '/usr/bin/chromium',
    args: ['--no-sandbox', '--disable-gpu', '--autoplay-policy=no-user-gesture-required',
      '--mute-audio'],
  });
  const results = {};
  for (const [name, kind, manifest] of [
    ['hls.js', 'hls.js', 'master.m3u8'],
    ['dash.js', 'dash.js', 'manifest.mpd'],
    ['shaka-dash', 'shaka', 'manifest.mpd'],
    ['shaka-hls', 'shaka', 'master.m3u8'],
  ]) {
    const page = await browser.newPage();
    const failed = [];
    page.on('pageerror', (error) => failed.push(`page: ${error.message}`));
    page.on('response', (response) => {
      const { pathname } = new URL(response.url());
      if (response.status() >= 400 && pathname !== '/favicon.ico') {
        failed.push(`${response.status()} ${pathname}`);
      }
    });
    await page.goto(`http://127.0.0.1:${port}/`);
    let result;
    try {
      result = await page.evaluate(playInPage, [kind, `http://127.0.0.1:${port}/${manifest}`]);
    } catch (error) {
      result = { ok: false, error: String(error.message ?? error) };
    }
    if (failed.length) result = { ...result, ok: false, failed };
    results[name] = result;
    await page.close();
  }
  await browser.close();
  server.close();
  console.log(JSON.stringify(results, null, 2));
  process.exitCode = Object.values(results).every((result) => result.ok) ? 0 : 1;
}

main().catch((error) => {
  console.error(error.message ?? error);
  process.exit(1);
});
