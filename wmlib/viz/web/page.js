// The page: keys, buttons and pictures around dream.js.
//
// Reading guide. `session` is the dream on show, and its twin while something is edited. `advance` is one step of both, `draw` shows
// them. Edits are done to the twin alone, so the original goes on as if nobody had touched it.
//
// The address may say how the page opens, for tests and screenshots: dream.html#agent=0&number=0&steps=50&erase=3&more=250&pause
//   agent        place in the list        temperature  0.1 … 1.5
//   number       of the dream: its chance pause        do not start by itself
//   steps        done before it is shown, with the agent playing
//   erase        slots to erase then, 0 … 15, or all   more   steps after that
//   edit         zeroReads, freezeMemory or zeroH, switched on before the steps
// `dreamPage` is what they, and you in the console, can call.

const RATE = 35; // steps a second: the game's tics
const LONGEST = 2100; // steps, the game's cap
const HISTORY = 120; // steps in the charts
const SPOKEN_EVERY = 5000; // ms between two messages for a screen reader
const EDITS = { zeroReads: "its reads zeroed", freezeMemory: "its memory frozen", zeroH: "h zeroed" };

const element = (id) => document.getElementById(id);
const data = JSON.parse(element("data").textContent);
const kernels = new Kernels(data.kernels, 32);
const titles = Object.keys(data.agents);
const agents = {}; // made when first chosen
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const held = { left: false, right: false };
const times = { paint: 0 };

let session = null;
let playing = false;
let temperature = 1;
let lastFrame = 0;
let lastSpoken = 0;
let recentFrames = [];

// --- best scores: kept in the browser where it allows that, which some do not for files

const memoryOfScores = {};

function loadBest(key) {
  try {
    return Number(localStorage.getItem(key)) || 0;
  } catch {
    return memoryOfScores[key] || 0;
  }
}

function saveBest(key, score) {
  memoryOfScores[key] = score;
  try {
    localStorage.setItem(key, String(score));
  } catch {
    // it lasts until the page is closed
  }
}

const bestKey = (player) => `dream/${session.title}/${player}/${temperature.toFixed(2)}`;

// --- dreams

function agentOf(title) {
  if (!agents[title]) {
    agents[title] = new Agent(kernels, data.agents[title].record);
  }
  return agents[title];
}

// A number decides all chance of a dream: its start, and what happens at each step.
function begin(title, number) {
  const agent = agentOf(title);
  const generator = new Chance(number);
  session = {
    title,
    number,
    agent,
    generator,
    original: new Dream(agent, firstLatents(data.agents[title].starts, number, generator)),
    twin: null,
    edits: new Map(), // what was done to the twin and has not been undone -> step
    distances: [],
    players: new Set(), // who moved: "you", "the agent"
    temperatures: new Set(),
    past: { write: [], read: [], gates: [] },
    scale: 0,
    over: false,
  };
  showMemoryPart();
  for (const edit of Object.keys(EDITS)) {
    if (element(edit).checked) {
      setEdit(edit, true);
    }
  }
}

// An LSTM has no memory to look at or to edit.
function showMemoryPart() {
  const { slots } = session.agent.core;
  document.querySelectorAll(".of-memory").forEach((part) => {
    part.hidden = !slots;
  });
  if (!slots) {
    element("zeroReads").checked = false;
    element("freezeMemory").checked = false;
  }
  element("slots").replaceChildren(...allSlots().map(slotButton));
}

const allSlots = () => Array.from({ length: session.agent.core.slots ?? 0 }, (_, slot) => slot);

function slotButton(slot) {
  const button = document.createElement("button");
  button.textContent = button.title = `Erase slot ${slot + 1}`;
  button.onclick = () => {
    erase([slot]);
    speak();
    draw();
  };
  return button;
}

function advance() {
  const { original, twin } = session;
  if (session.over) {
    return;
  }
  const chance = drawChance(session.generator, session.agent.latentSize);
  const agentPlays = element("agent-plays").checked;
  const byHand = 1 - (held.left ? 1 : 0) + (held.right ? 1 : 0);
  for (const dream of twin ? [original, twin] : [original]) {
    if (!dream.dead) {
      dream.step(agentPlays ? dream.act() : byHand, chance, temperature);
    }
  }
  session.players.add(agentPlays ? "the agent" : "you");
  session.temperatures.add(temperature);
  if (twin && !original.dead && !twin.dead) {
    session.distances.push(distance(original.z, twin.z));
  }
  if (session.agent.core.slots) {
    keepHistory();
  }
  const ages = [original, twin].filter((dream) => dream && !dream.dead).map((dream) => dream.age);
  session.over = ages.length === 0 || Math.max(...ages) >= LONGEST;
  if (original.dead || original.age >= LONGEST) {
    keepScore();
  }
  if (session.over) {
    playing = false;
    speak();
  }
}

function keepHistory() {
  const { past } = session;
  const { state } = shownDream();
  past.write.push(state.write.slice());
  past.read.push(readOf(state));
  past.gates.push(state.gates.slice());
  for (const list of Object.values(past)) {
    if (list.length > HISTORY) {
      list.shift();
    }
  }
}

// A score counts for one player and one temperature: those of the whole dream.
function keepScore() {
  const [player, ...otherPlayers] = session.players;
  if (otherPlayers.length || session.temperatures.size > 1) {
    return;
  }
  if (session.original.age > loadBest(bestKey(player))) {
    saveBest(bestKey(player), session.original.age);
  }
}

// --- edits

function shownDream() {
  const wanted = document.querySelector("input[name=shown]:checked").value;
  return session.twin && wanted === "edited" ? session.twin : session.original;
}

function startTwin() {
  if (!session.twin) {
    session.twin = session.original.twin();
    session.over = session.original.dead;
  }
}

function endTwin() {
  session.twin = null;
  session.edits.clear();
  session.distances = [];
  for (const edit of Object.keys(EDITS)) {
    element(edit).checked = false;
  }
  session.over = session.original.dead || session.original.age >= LONGEST;
}

function erase(slots) {
  startTwin();
  const { state, age } = session.twin;
  session.edits.set(slots.length === 1 ? `slot ${slots[0] + 1} erased` : "all slots erased", age);
  const { width } = session.agent.core;
  for (const slot of slots) {
    state.memory.fill(0, slot * width, (slot + 1) * width);
  }
}

function setEdit(edit, on) {
  if (on) {
    startTwin();
    session.edits.set(EDITS[edit], session.twin.age);
  } else {
    session.edits.delete(EDITS[edit]);
  }
  if (session.twin) {
    session.twin.edits[edit] = on;
  }
}

function editsText() {
  const words = Array.from(session.edits, ([edit, step]) => `${edit} at step ${step}`);
  return words.join(", ") || "no edit any more";
}

// --- what is to be seen

function fireballText(picture) {
  const blob = largestBlob(picture);
  if (blob.size < SMALLEST_BLOB) {
    return "no fireball near";
  }
  const share = (100 * blob.size) / FRAME ** 2;
  const where = blob.middle < 0.4 ? "on the left" : blob.middle > 0.6 ? "on the right" : "in the middle";
  return `a fireball fills ${share < 1 ? share.toFixed(1) : share.toFixed(0)} % of the picture, ${where}`;
}

const lifeText = (dream) => (dream.dead ? `dead after ${dream.age} steps` : dream.age >= LONGEST ? "alive at the end" : "alive");

function describe() {
  const { original, twin } = session;
  const words = [`step ${original.age}`, lifeText(original), fireballText(session.picture)];
  if (twin) {
    words.push(`edited dream ${lifeText(twin)}`);
    if (session.distances.length) {
      words.push(`distance ${session.distances.at(-1).toFixed(3)}`);
    }
  }
  if (!playing && !session.over) {
    words.push("paused");
  }
  return words.join(", ");
}

function speak() {
  session.picture = session.original.paint();
  element("spoken").textContent = describe();
  lastSpoken = performance.now();
}

const colours = {};

function readColours() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["low", "middle", "high", "ink", "quiet", "hair", "mark", "edit", "sunk"]) {
    colours[name] = style.getPropertyValue(`--${name}`).trim();
  }
  colours.rgb = Object.fromEntries(["low", "middle", "high", "sunk", "mark"].map((name) => [name, rgbOf(colours[name])]));
}

// Text is set only when it changes, or the browser would lay the page out again at every step.
function say(id, text) {
  if (element(id).textContent !== text) {
    element(id).textContent = text;
  }
}

const rgbOf = (hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
const between = (from, to, share) => from.map((value, i) => Math.round(value + (to[i] - value) * share));

function putPicture(canvas, picture) {
  const context = canvas.getContext("2d");
  const image = context.createImageData(FRAME, FRAME);
  for (let i = 0; i < FRAME * FRAME; i++) {
    image.data[4 * i] = 255 * picture[3 * i];
    image.data[4 * i + 1] = 255 * picture[3 * i + 1];
    image.data[4 * i + 2] = 255 * picture[3 * i + 2];
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
}

const sizes = new Map(); // canvas -> [width, height] in CSS pixels, as it is laid out

function watchSizes() {
  const observer = new ResizeObserver((entries) => {
    for (const { target, contentRect } of entries) {
      sizes.set(target, [contentRect.width, contentRect.height]);
    }
    if (!playing) {
      draw();
    }
  });
  for (const id of ["memory", "writes", "reads", "gates", "distance"]) {
    sizes.set(element(id), [element(id).clientWidth, element(id).clientHeight]);
    observer.observe(element(id));
  }
}

// A canvas as fine as the screen; returns its context in CSS pixels, and the size.
function prepare(canvas) {
  const [width, height] = sizes.get(canvas);
  const scale = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
  }
  const context = canvas.getContext("2d");
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  context.font = "13px system-ui, sans-serif";
  context.textBaseline = "middle";
  context.textAlign = "left";
  return { context, width, height };
}

// The largest weighting of the last steps, rounded up: the full length of a bar, the full colour of a map.
function largestOf(list) {
  const value = Math.max(...list.map((weights) => Math.max(...weights)), 0);
  return [0.02, 0.05, 0.1, 0.2, 0.3, 0.5].find((round) => value <= round) ?? 1;
}

// Deviation of each number from the mean of its column over all slots, and the share of the memory's power that it is.
function deviations(memory, slots, width) {
  const values = new Float32Array(slots * width);
  let power = 0;
  let varying = 0;
  for (let k = 0; k < width; k++) {
    let mean = 0;
    for (let n = 0; n < slots; n++) {
      mean += memory[n * width + k] / slots;
    }
    for (let n = 0; n < slots; n++) {
      const value = memory[n * width + k];
      values[n * width + k] = value - mean;
      power += value ** 2;
      varying += (value - mean) ** 2;
    }
  }
  return { values, share: power ? varying / power : 0 };
}

function drawMemory() {
  const { state } = shownDream();
  const { slots, width, heads } = session.agent.core;
  const { values, share } = deviations(state.memory, slots, width);
  const largest = values.reduce((top, value) => Math.max(top, Math.abs(value)), 0);
  session.scale = Math.max(largest, 0.97 * session.scale, 1e-6); // falls slowly, so that colours do not flicker
  const fullWrite = largestOf(session.past.write);
  const fullRead = largestOf(session.past.read);
  const { context, width: across, height } = prepare(element("memory"));
  const top = 24;
  const row = (height - top) / slots;
  const label = 26;
  const bars = 1 + heads;
  const bar = Math.max(36, Math.min(80, (across - label) * 0.13));
  const cells = across - label - bars * (bar + 8);
  const cell = cells / width;
  context.fillStyle = colours.quiet;
  context.fillText("slot", 0, 11);
  context.fillText(cells > 100 ? "its numbers" : "numbers", label + 4, 11);
  for (let i = 0; i < bars; i++) {
    context.fillText(i === 0 ? "write" : heads === 1 ? "read" : `read${i}`, label + cells + 8 + i * (bar + 8), 11);
  }
  for (let n = 0; n < slots; n++) {
    const y = top + n * row;
    context.fillStyle = colours.quiet;
    context.textAlign = "right";
    context.fillText(String(n + 1), label - 7, y + row / 2);
    context.textAlign = "left";
    for (let k = 0; k < width; k++) {
      const value = values[n * width + k] / session.scale;
      const share = Math.sqrt(Math.min(1, Math.abs(value)));
      context.fillStyle = `rgb(${between(colours.rgb.middle, value < 0 ? colours.rgb.low : colours.rgb.high, share)})`;
      context.fillRect(label + k * cell, y + 1, cell - 1, row - 2);
    }
    const weights = [state.write[n], ...Array.from({ length: heads }, (_, head) => state.read[head * slots + n])];
    weights.forEach((weight, i) => {
      const x = label + cells + 8 + i * (bar + 8);
      context.fillStyle = colours.hair;
      context.fillRect(x, y + row / 2 - 4, bar, 8);
      context.fillStyle = i === 0 ? colours.edit : colours.mark;
      context.fillRect(x, y + row / 2 - 4, bar * Math.min(1, weight / (i === 0 ? fullWrite : fullRead)), 8);
    });
  }
  const percent = (100 * share).toFixed(share < 0.1 ? 1 : 0);
  say(
    "scale",
    `Blue: below the mean of the slots, orange: above; full colour at ±${session.scale.toPrecision(2)}. ` +
      `The differences between slots are ${percent} % of the memory's power. Bars: weightings, full length ${fullWrite} (write) and ${fullRead} (read).`
  );
}

const small = document.createElement("canvas"); // a heat map with a pixel for each number, before it is enlarged

// A heat map of weightings: time from left to right, a row for each slot. Returns the weighting of the full colour.
function drawWeightings(canvas, list) {
  const { context, width, height } = prepare(canvas);
  const { slots } = session.agent.core;
  const full = largestOf(list);
  const image = new ImageData(HISTORY, slots);
  const { sunk, mark } = colours.rgb;
  list.forEach((weights, t) => {
    for (let n = 0; n < slots; n++) {
      const share = Math.min(1, weights[n] / full);
      const at = 4 * (n * HISTORY + t);
      for (let c = 0; c < 3; c++) {
        image.data[at + c] = sunk[c] + (mark[c] - sunk[c]) * share;
      }
      image.data[at + 3] = 255;
    }
  });
  small.width = HISTORY;
  small.height = slots;
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = false;
  context.drawImage(small, 0, 0, width, height);
  return full;
}

function drawGates() {
  const { context, width, height } = prepare(element("gates"));
  const lines = [["write", colours.edit, []], ["allocation", colours.mark, [6, 3]], ["free", colours.ink, [2, 3]]];
  const gates = session.past.gates;
  const step = width / HISTORY;
  const bottom = height - 26;
  const yOf = (value) => 5 + (1 - value) * (bottom - 10);
  context.strokeStyle = colours.hair;
  for (const value of [0, 1]) {
    context.beginPath();
    context.moveTo(0, yOf(value));
    context.lineTo(width, yOf(value));
    context.stroke();
  }
  let x = 4;
  lines.forEach(([name, colour, dashes], i) => {
    context.strokeStyle = context.fillStyle = colour;
    context.lineWidth = 2;
    context.setLineDash(dashes);
    context.beginPath();
    gates.forEach((values, t) => {
      const free = values.slice(2);
      const value = i === 2 ? free.reduce((sum, gate) => sum + gate, 0) / free.length : values[1 - i];
      context.lineTo((t + 0.5) * step, yOf(value));
    });
    context.moveTo(x, height - 11);
    context.lineTo(x + 22, height - 11);
    context.stroke();
    context.fillText(name, x + 27, height - 11);
    x += 43 + context.measureText(name).width;
  });
  context.setLineDash([]);
}

function drawDistance() {
  const { context, width, height } = prepare(element("distance"));
  const { distances } = session;
  const [least, most] = [-4, 0.5]; // powers of ten
  const left = 56;
  const bottom = height - 20;
  const yOf = (value) => 6 + ((most - Math.log10(Math.max(value, 10 ** least))) / (most - least)) * (bottom - 12);
  context.fillStyle = colours.quiet;
  context.strokeStyle = colours.hair;
  context.lineWidth = 1;
  context.textAlign = "right";
  for (const [power, text] of [[-4, "0.0001"], [-3, "0.001"], [-2, "0.01"], [-1, "0.1"], [0, "1"]]) {
    const y = yOf(10 ** power);
    context.fillText(text, left - 6, y);
    context.beginPath();
    context.moveTo(left, y);
    context.lineTo(width, y);
    context.stroke();
  }
  if (!session.twin) {
    say("distance-caption", "Erase a slot, or switch something off, to see it.");
    return;
  }
  const span = Math.max(50, distances.length);
  context.fillText(`${span} steps after the first edit`, width - 4, height - 9);
  context.strokeStyle = colours.edit;
  context.lineWidth = 2;
  context.beginPath();
  distances.forEach((value, t) => context.lineTo(left + ((t + 1) / span) * (width - left - 4), yOf(value)));
  context.stroke();
  const now = distances.length ? ` Now ${distances.at(-1).toFixed(3)}.` : "";
  say(
    "distance-caption",
    `Mean distance of a latent number between the twins (${editsText()}), on a logarithmic scale; ` +
      `a latent number has a standard deviation of about 1.${now}`
  );
}

const game = new Image();

// The recorded game goes on with the dream's steps, as long as it was recorded.
function drawGame() {
  const { every, pictures } = data.game;
  const shown = Math.min(pictures - 1, Math.floor(session.original.age / every));
  if (game.complete) {
    element("game").getContext("2d").drawImage(game, shown * FRAME, 0, FRAME, FRAME, 0, 0, FRAME, FRAME);
  }
  const tic = shown * every;
  const over = session.original.age >= pictures * every;
  const text = over
    ? `The real game: the recording ends at tic ${tic}.`
    : `The real game, tic ${tic}, recorded. Dream 0 begins at its first picture.`;
  say("game-caption", text);
}

function drawScores() {
  const bests = ["you", "the agent"].map((player) => `${player} ${loadBest(bestKey(player)) || "–"}`);
  const plain = kernels.simd ? "" : " This browser has no WebAssembly SIMD, so plain loops compute, which is slower.";
  const best = `Best at temperature ${temperature.toFixed(2)}: ${bests.join(", ")}.`;
  say("scores", `Dream ${session.number}, score ${session.original.age} steps. ${best}${plain}`);
}

function draw() {
  const { original, twin } = session;
  session.picture = original.paint();
  const painted = performance.now();
  putPicture(element("dream"), session.picture);
  element("pictures").classList.toggle("twins", Boolean(twin));
  element("twin-figure").hidden = !twin;
  element("shown").hidden = !twin;
  if (twin) {
    putPicture(element("twin"), twin.paint());
    say("twin-caption", `The same random draws, ${editsText()}: ${lifeText(twin)}.`);
  }
  drawGame();
  if (session.agent.core.slots) {
    drawMemoryPart();
  }
  drawDistance();
  drawScores();
  const words = describe();
  say("status", words[0].toUpperCase() + words.slice(1));
  say("pause", playing ? "Pause" : "Play");
  say("temperature-value", temperature.toFixed(2));
  times.paint += performance.now() - painted;
  if (performance.now() - lastSpoken > SPOKEN_EVERY && playing) {
    element("spoken").textContent = words;
    lastSpoken = performance.now();
  }
}

function drawMemoryPart() {
  drawMemory();
  const fullWrite = drawWeightings(element("writes"), session.past.write);
  const fullRead = drawWeightings(element("reads"), session.past.read);
  say(
    "writes-caption",
    `Write weighting: a row is a slot, a column one of the last ${HISTORY} steps, full colour ${fullWrite}. ` +
      "Look for where it is darkest: each step writes elsewhere, so all slots soon hold the same mixture."
  );
  say(
    "reads-caption",
    `Read weighting, mean of the heads, full colour ${fullRead}. ` +
      "Look for rows that stand out: without any, all slots are read alike, and what is read is their mean."
  );
  drawGates();
}

function frame(now) {
  requestAnimationFrame(frame);
  if (!playing || now - lastFrame < 1000 / RATE - 1) {
    return;
  }
  lastFrame = Math.max(lastFrame + 1000 / RATE, now - 1000 / RATE);
  advance();
  draw();
  recentFrames.push(now);
  recentFrames = recentFrames.filter((time) => time > now - 5000);
}

// --- buttons, keys, touch

function play(on) {
  if (on && session.over) {
    begin(session.title, session.number);
  }
  playing = on;
  speak();
  draw();
}

// A player who moves has taken over from the agent.
function hold(side, on) {
  held[side] = on;
  element(side).classList.toggle("held", on);
  if (on) {
    element("agent-plays").checked = false;
    if (!playing && !session.over && !calm.matches) {
      play(true);
    }
  }
}

function listen() {
  element("pause").onclick = () => play(!playing);
  element("step").onclick = () => {
    playing = false;
    advance();
    speak();
    draw();
  };
  element("restart").onclick = () => {
    begin(session.title, session.number);
    play(!calm.matches);
  };
  element("new").onclick = () => {
    begin(session.title, session.number + 1);
    play(!calm.matches);
  };
  element("agent").onchange = (event) => {
    begin(titles[event.target.selectedIndex], session.number);
    play(playing);
  };
  element("temperature").oninput = (event) => {
    temperature = Number(event.target.value);
    draw();
  };
  for (const edit of Object.keys(EDITS)) {
    element(edit).onchange = (event) => {
      setEdit(edit, event.target.checked);
      speak();
      draw();
    };
  }
  element("erase-all").onclick = () => {
    erase(allSlots());
    speak();
    draw();
  };
  element("end-twin").onclick = () => {
    endTwin();
    speak();
    draw();
    element("dream-part").focus();
  };
  document.querySelectorAll("input[name=shown]").forEach((input) => {
    input.onchange = () => {
      session.past = { write: [], read: [], gates: [] };
      draw();
    };
  });
  for (const side of ["left", "right"]) {
    const button = element(side);
    button.onpointerdown = (event) => {
      button.setPointerCapture(event.pointerId);
      hold(side, true);
    };
    button.onpointerup = button.onpointercancel = button.onblur = () => hold(side, false);
    button.onkeydown = (event) => {
      if (event.key === "Enter" || event.key === " ") {
        event.preventDefault();
        hold(side, true);
      }
    };
    button.onkeyup = () => hold(side, false);
  }
  for (const id of ["dream", "twin"]) {
    element(id).onpointerdown = (event) => {
      const side = event.offsetX < event.target.clientWidth / 2 ? "left" : "right";
      hold(side, true);
    };
  }
  window.addEventListener("pointerup", release);
  window.addEventListener("pointercancel", release);
  window.addEventListener("blur", release);
  window.addEventListener("keydown", (event) => {
    const side = { ArrowLeft: "left", ArrowRight: "right" }[event.key];
    const typing = event.target.matches("input[type=range], input[type=radio], select");
    if (side && !typing && !event.altKey && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      hold(side, true);
    } else if (event.key === " " && !event.target.matches("button, input, select, a")) {
      event.preventDefault();
      play(!playing);
    }
  });
  window.addEventListener("keyup", (event) => {
    const side = { ArrowLeft: "left", ArrowRight: "right" }[event.key];
    if (side) {
      hold(side, false);
    }
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    readColours();
    draw();
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && playing) {
      play(false);
    }
  });
}

function release() {
  for (const side of ["left", "right"]) {
    if (held[side]) {
      hold(side, false);
    }
  }
}

// --- the page opens

function steps(count) {
  for (let i = 0; i < count; i++) {
    advance();
  }
}

function open() {
  const wanted = new URLSearchParams(location.hash.slice(1));
  const place = Math.min(titles.length - 1, Number(wanted.get("agent")) || 0);
  temperature = Number(wanted.get("temperature")) || data.temperature;
  element("agent").replaceChildren(...titles.map((title) => new Option(title)));
  element("agent").selectedIndex = place;
  element("temperature").value = temperature;
  element("agent-plays").checked = true;
  if (EDITS[wanted.get("edit")]) {
    element(wanted.get("edit")).checked = true;
  }
  readColours();
  begin(titles[place], Number(wanted.get("number")) || 0);
  watchSizes();
  listen();
  steps(Number(wanted.get("steps")) || 0);
  if (wanted.has("erase") && session.agent.core.slots) {
    erase(wanted.get("erase") === "all" ? allSlots() : [Number(wanted.get("erase"))]);
  }
  steps(Number(wanted.get("more")) || 0);
  element("about").textContent = data.about;
  game.onload = () => draw();
  game.src = `data:image/webp;base64,${data.game.webp}`;
  playing = !wanted.has("pause") && !calm.matches && !session.over;
  speak();
  draw();
  requestAnimationFrame(frame);
}

// Milliseconds a step of each part, over so many steps: what tests/benchmarks puts into a table.
function measure(count) {
  const { agent } = session;
  agent.times = { core: 0, mixture: 0, decoder: 0 };
  times.paint = 0;
  for (let i = 0; i < count; i++) {
    if (session.over) {
      begin(session.title, session.number + 1);
    }
    advance();
    draw();
  }
  const parts = { ...agent.times, paint: times.paint };
  agent.times = null;
  return Object.fromEntries(Object.entries(parts).map(([name, sum]) => [name, sum / count]));
}

const dreamPage = {
  steps,
  erase,
  measure,
  report: () => ({
    step: session.original.age,
    dead: session.original.dead,
    over: session.over,
    playing,
    simd: kernels.simd,
    status: element("status").textContent,
    latents: Array.from(session.original.z),
    twin: session.twin && Array.from(session.twin.z),
    distance: session.distances.at(-1) ?? null,
    picture: Array.from(session.original.paint()),
    framesPerSecond: recentFrames.length > 1 ? ((recentFrames.length - 1) * 1000) / (recentFrames.at(-1) - recentFrames[0]) : null,
  }),
};

open();
