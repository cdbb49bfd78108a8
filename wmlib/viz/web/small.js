// The page of the two small dreams: what is shown and what the reader can do. Needs all of small.py's SMALL_LIBRARY.
//
// Two parts that know nothing of each other: CorridorPart and GridPart. Each holds its numbers, and draws all of itself anew after
// every change. `startPage` begins both, and puts them into `window.page`, where a test finds them.

const LETTERS = ["A", "B", "C", "D"]; // the symbols
const DIRECTIONS = ["up", "down", "left", "right"];
const KEYS = { ArrowUp: 0, ArrowDown: 1, ArrowLeft: 2, ArrowRight: 3 };
const CORRIDOR_LENGTH = 1;
const PLAY_EVERY = 700; // milliseconds from one step of the corridor to the next
const WALK_EVERY = 300; // from one move of the agent to the next
const FIRST_LEVEL = 3; // it has walls, and moves that the model gets wrong
const NEW = -1; // number of a level that is drawn at random
const LONGEST = 40; // moves of the agent: the longest shortest path has 22

const DISCS = { agent: 0.34, trail: 0.13 }; // shapes that are discs, with their radius

const find = (id) => document.getElementById(id);
const percent = (share) => `${Math.round(100 * share)} %`;

function make(tag, className, text = "") {
  const element = document.createElement(tag);
  element.className = className;
  element.textContent = text;
  return element;
}

// Words as a list: "a", "a and b", "a, b and c".
function listed(words) {
  return words.length > 1 ? `${words.slice(0, -1).join(", ")} and ${words.at(-1)}` : words.join("");
}

// Call `step` every so often until it returns false; calling the result stops it. Who wants no motion sees the end at once.
function repeat(step, milliseconds) {
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) {
    while (step());
    return null;
  }
  const timer = setInterval(() => {
    if (!step()) {
      clearInterval(timer);
    }
  }, milliseconds);
  return () => clearInterval(timer);
}

// Mark cells of a picture: each entry is [row, column, classes of the shapes on it].
function drawCells(svg, cells) {
  svg.innerHTML = cells
    .map(([row, column, ...names]) =>
      names
        .map((name) =>
          name in DISCS
            ? `<circle class="${name}" cx="${column + 0.5}" cy="${row + 0.5}" r="${DISCS[name]}"/>`
            : `<rect class="${name}" x="${column}" y="${row}" width="1" height="1"/>`,
        )
        .join(""),
    )
    .join("");
}

class CorridorPart {
  constructor(model) {
    this.model = model;
    this.chosen = []; // rows of the memory, two at most: a swap stays one of cues 3 and 6, say, when the cues change
    this.whole = false; // whether their places in the order of writing are swapped, too
    this.cues = [1, 3, 0, 2, 0, 1, 3, 2];
    this.stop = null; // of the playing
    this.listen();
    this.changeCues(this.cues);
  }

  listen() {
    find("new-cues").addEventListener("click", () => this.changeCues(this.cues.map(() => Math.floor(SYMBOLS * Math.random()))));
    find("corridor-back").addEventListener("click", () => this.goTo(this.step - 1));
    find("corridor-on").addEventListener("click", () => this.goTo(this.step + 1));
    find("corridor-play").addEventListener("click", () => (this.stop ? this.pause() : this.play()));
    find("corridor-step").addEventListener("input", (event) => this.goTo(event.target.valueAsNumber));
    find("undo-swap").addEventListener("click", () => this.choose([]));
    find("whole-slots").addEventListener("change", (event) => {
      this.whole = event.target.checked;
      this.choose(this.chosen);
    });
    find("cues").append(
      ...this.cues.map((_, i) => {
        const button = make("button", "tile");
        button.addEventListener("click", () => this.changeCues(this.cues.map((cue, at) => (cue + (at === i)) % SYMBOLS)));
        return button;
      }),
    );
    this.slotButtons = Array.from({ length: this.model.core.slots }, (_, row) => {
      const button = make("button", "slot");
      button.addEventListener("click", () => this.press(row));
      return button;
    });
    this.plainRows = this.makeMemory(find("plain-memory"), this.slotButtons);
    this.slotLabels = this.slotButtons.map(() => make("div", "slot"));
    this.editedRows = this.makeMemory(find("edited-memory"), this.slotLabels);
    for (const name of ["plain-doors", "edited-doors"]) {
      find(name).append(...this.cues.map(() => make("div", "tile")));
    }
  }

  // A row for each slot: its label, and a cell for each step.
  makeMemory(box, labels) {
    const corridor = new Corridor(this.cues, CORRIDOR_LENGTH);
    const steps = [...Array(corridor.steps).keys()];
    const times = make("div", "cells times");
    times.append(
      ...steps.map((step) => {
        const name = { cue: step + 1, corridor: "", door: step - corridor.firstDoor + 1 }[corridor.kind(step)];
        return make("i", step === corridor.firstDoor ? "door" : "", name);
      }),
    );
    box.append(make("div", "slot quiet", "slot"), times);
    return labels.map((label) => {
      const cells = make("div", "cells");
      cells.setAttribute("aria-hidden", "true");
      cells.append(...steps.map((step) => make("i", step === corridor.firstDoor ? "door" : "")));
      box.append(label, cells);
      return cells;
    });
  }

  changeCues(cues) {
    this.cues = cues;
    this.corridor = new Corridor(cues, CORRIDOR_LENGTH);
    this.step ??= this.corridor.steps;
    this.plain = walk(this.model, this.corridor);
    this.slots = slotsOfCues(this.plain, this.corridor);
    const all = Array.from({ length: this.model.core.slots }, (_, slot) => slot);
    this.order = [...new Set([...this.slots, ...all])]; // the slot that each row shows: those of the cues first
    this.choose(this.chosen);
  }

  press(row) {
    if (this.chosen.includes(row)) {
      this.choose(this.chosen.filter((other) => other !== row));
    } else {
      this.choose([...this.chosen.slice(this.chosen.length === 2 ? 2 : 0), row]); // a third one begins anew
    }
  }

  choose(rows) {
    this.chosen = rows;
    this.swapped = rows.map((row) => this.order[row]);
    this.edited = null;
    if (rows.length === 2) {
      const edit = (state) => exchange(this.model.core, state, ...this.swapped, this.whole);
      this.edited = walk(this.model, this.corridor, edit);
    }
    this.draw();
  }

  goTo(step) {
    this.step = Math.min(Math.max(step, 0), this.corridor.steps);
    this.draw();
  }

  play() {
    if (this.step >= this.corridor.steps) {
      this.goTo(0);
    }
    this.stop = repeat(() => {
      this.goTo(this.step + 1);
      if (this.step < this.corridor.steps) {
        return true;
      }
      this.pause();
      return false;
    }, PLAY_EVERY);
    this.draw();
  }

  pause() {
    this.stop?.();
    this.stop = null;
    this.draw();
  }

  // Number of the cue that was written to a slot, -1: none.
  cueOf(slot) {
    return this.slots.indexOf(slot);
  }

  draw() {
    const { step, corridor, cues } = this;
    find("corridor-step").value = step;
    find("corridor-back").disabled = step === 0;
    find("corridor-on").disabled = step === corridor.steps;
    find("corridor-play").textContent = this.stop ? "Pause" : "Play";
    find("corridor-play").setAttribute("aria-pressed", String(Boolean(this.stop)));
    find("undo-swap").disabled = this.chosen.length === 0;
    find("cues")
      .querySelectorAll("button")
      .forEach((button, i) => {
        button.className = `tile ${i > step ? "empty" : LETTERS[cues[i]]}`;
        button.innerHTML = `<small>${i + 1}</small>${LETTERS[cues[i]]}`;
        button.setAttribute("aria-label", `cue ${i + 1} is ${LETTERS[cues[i]]}; press for ${LETTERS[(cues[i] + 1) % SYMBOLS]}`);
      });
    this.drawFrame();
    this.drawMemory(this.plain, this.plainRows, this.slotButtons, false);
    this.drawMemory(this.edited, this.editedRows, this.slotLabels, true);
    this.drawDoors("plain-doors", this.plain);
    this.drawDoors("edited-doors", this.edited);
    find("plain-hint").textContent = this.instruction();
    find("edited-hint").textContent = this.edited
      ? `Slots ${listed(this.swapped.map(String))} are swapped at the dashed line.`
      : "Nothing is swapped yet.";
    find("edited").classList.toggle("idle", !this.edited);
    find("corridor-says").textContent = this.stepInWords();
    find("swap-says").textContent = this.swapInWords();
  }

  instruction() {
    return ["Choose two slots.", "Choose a second slot.", "Another slot begins a new swap."][this.chosen.length];
  }

  drawFrame() {
    const { step, corridor } = this;
    const cells = [];
    for (let column = 0; column < SIDE; column++) {
      cells.push([0, column, "floor"]);
    }
    for (let at = 0; at < SIDE * (SIDE - 1); at++) {
      const kinds = { cue: "cue", corridor: "hall", door: "door" };
      const name = at < corridor.steps ? kinds[corridor.kind(at)] : "outside";
      cells.push([...corridor.place(at), name, ...(at === step && step < corridor.steps ? ["agent"] : [])]);
    }
    const sign = corridor.sign(step);
    if (sign !== null) {
      cells.push([0, 2 * sign, `f${LETTERS[sign]}`], [0, 2 * sign + 1, `f${LETTERS[sign]}`]);
    }
    const svg = find("corridor-frame");
    drawCells(svg, cells);
    if (sign !== null) {
      svg.innerHTML += `<text class="sign" x="${2 * sign + 1}" y=".75">${LETTERS[sign]}</text>`;
    }
    const shown = sign === null ? "no sign is shown" : `the sign ${LETTERS[sign]} is shown`;
    svg.setAttribute("aria-label", `What the model sees at step ${step}: a path of cues, corridor and doors; ${shown}`);
  }

  drawMemory(walked, rows, labels, edited) {
    const { step, corridor, chosen, swapped } = this;
    const done = edited && walked && step >= corridor.firstDoor;
    rows.forEach((row, at) => {
      const slot = this.order[at];
      const from = done && swapped.includes(slot) ? swapped.find((other) => other !== slot) : slot; // whose content is here
      const cue = this.cueOf(from);
      const known = walked && cue >= 0 && step >= cue;
      const letter = known ? LETTERS[this.cues[cue]] : "";
      labels[at].innerHTML = `<span>${slot}</span><span>${known ? `cue ${cue + 1}` : ""}</span>`;
      labels[at].append(make("span", `chip ${letter}`, letter));
      labels[at].classList.toggle("moved", from !== slot);
      if (!edited) {
        labels[at].setAttribute("aria-pressed", String(chosen.includes(at)));
        labels[at].setAttribute("aria-label", `slot ${slot}, ${known ? `holds cue ${cue + 1}, ${letter}` : "holds no cue"}`);
      }
      [...row.children].forEach((cell, time) => {
        const state = walked && time <= step ? walked.states[time] : null;
        cell.style.setProperty("--w", state ? state.write[slot].toFixed(3) : 0);
        cell.style.setProperty("--r", state ? readOf(state)[slot].toFixed(3) : 0);
        cell.classList.toggle("now", time === step);
        cell.classList.toggle("cut", Boolean(edited && walked && time === corridor.firstDoor));
      });
    });
  }

  drawDoors(name, walked) {
    const { corridor, cues, step } = this;
    [...find(name).children].forEach((tile, door) => {
      const open = walked && step >= corridor.firstDoor + door;
      if (!open) {
        tile.className = "tile empty";
        tile.innerHTML = `<small>${door + 1}</small>?`;
        return;
      }
      const choice = walked.choices[door];
      const changed = choice !== this.plain.choices[door];
      tile.className = `tile ${LETTERS[choice]}${changed ? " changed" : ""}`;
      tile.innerHTML = `<small>${door + 1} ${choice === cues[door] ? "✓" : "✗"}</small>${LETTERS[choice]}`;
    });
  }

  stepInWords() {
    const { step, corridor, plain } = this;
    if (step === corridor.steps) {
      const right = plain.choices.filter((choice, door) => choice === this.cues[door]).length;
      return `The end: ${right} of ${this.cues.length} doors are right without a swap.`;
    }
    const where = `Step ${step + 1} of ${corridor.steps}`;
    const state = plain.states[step];
    if (corridor.kind(step) === "cue") {
      const slot = this.slots[step];
      return `${where}: cue ${step + 1} is ${LETTERS[this.cues[step]]}. It is written to slot ${slot} (${percent(state.write[slot])}).`;
    }
    if (corridor.kind(step) === "corridor") {
      return `${where}: the corridor. No sign is shown, and the swap comes after it.`;
    }
    const door = step - corridor.firstDoor;
    const read = (walked) => {
      const weights = readOf(walked.states[step]);
      const slot = largest(weights);
      return `slot ${slot} is read (${percent(weights[slot])}), ${LETTERS[walked.choices[door]]} is chosen`;
    };
    const edited = this.edited ? ` With the swap: ${read(this.edited)}.` : "";
    return `${where}: door ${door + 1}. As it was: ${read(plain)}.${edited}`;
  }

  // What the swap did to the doors, counted.
  swapInWords() {
    if (!this.edited) {
      return "";
    }
    const [a, b] = this.swapped.map((slot) => this.cueOf(slot));
    const before = this.plain.choices;
    const after = this.edited.choices;
    const changed = [...before.keys()].filter((door) => before[door] !== after[door]);
    const words = changed.map((door) => `door ${door + 1}: ${LETTERS[before[door]]} → ${LETTERS[after[door]]}`);
    if (a < 0 && b < 0) {
      return changed.length ? `Neither slot holds a cue, yet: ${listed(words)}.` : "Neither slot holds a cue, and no door changes.";
    }
    if (this.whole) {
      return changed.length
        ? `Contents and places in the order are swapped, and by rounding alone: ${listed(words)}.`
        : "Contents and places in the order are swapped: the slots have only changed their numbers, and no door changes.";
    }
    if (a >= 0 && b >= 0 && this.cues[a] === this.cues[b]) {
      return `Both slots hold ${LETTERS[this.cues[a]]}, so a swap cannot be seen. Change one of these two cues.`;
    }
    const wanted = before.slice();
    if (a >= 0 && b >= 0) {
      [wanted[a], wanted[b]] = [before[b], before[a]];
    }
    if (a >= 0 && b >= 0 && after.every((choice, door) => choice === wanted[door])) {
      const doors = listed([a, b].sort((i, j) => i - j).map((cue) => String(cue + 1)));
      return `Doors ${doors} have swapped their choices, and all others stay: ${listed(words)}.`;
    }
    if (a === 0 || b === 0) {
      const other = Math.max(a, b);
      const walkOn = other >= 0 && this.walksOnFrom(other);
      const why = walkOn ? ` Door 1 is found by its content, and the reading goes on from there: door 2 now reads the slot written after cue ${other + 1}'s.` : "";
      return `Cue 1 is special.${why} ${changed.length ? `Changed: ${listed(words)}.` : "No door changes."}`;
    }
    return changed.length ? `Changed: ${listed(words)}.` : "No door changes.";
  }

  // Whether door 1 stays, and the doors after it are those that followed another cue.
  walksOnFrom(cue) {
    const before = this.plain.choices;
    const after = this.edited.choices;
    return after.every((choice, door) => cue + door >= before.length || choice === before[door === 0 ? 0 : cue + door]);
  }
}

class GridPart {
  constructor(model, policy, levels) {
    Object.assign(this, { model, policy, levels });
    this.stop = null; // of the agent's walk
    this.listen();
    this.openLevel(FIRST_LEVEL);
  }

  listen() {
    find("level").append(...this.levels.map((_, number) => new Option(`level ${number}`, number)), new Option("a new level", NEW));
    find("level").addEventListener("change", (event) => this.openLevel(Number(event.target.value)));
    find("new-level").addEventListener("click", () => this.openLevel(NEW));
    find("restart").addEventListener("click", () => this.start(0));
    find("policy").addEventListener("click", () => (this.stop ? this.pause() : this.letWalk()));
    find("mistake").addEventListener("click", () => this.goToMistake());
    find("grid").addEventListener("keydown", (event) => {
      if (event.key in KEYS && event.target !== find("level")) {
        event.preventDefault();
        this.pause();
        this.move(KEYS[event.key]);
      }
    });
    for (const button of document.querySelectorAll("[data-action]")) {
      button.addEventListener("click", () => {
        this.pause();
        this.move(Number(button.dataset.action));
      });
    }
  }

  openLevel(number) {
    this.number = number;
    const rows = number === NEW ? randomRows(this.model.height, Math.random) : this.levels[number];
    this.grid = new Grid(rows);
    this.shortest = this.grid.distances();
    this.wrong = wrongMoves(this.model, this.grid);
    this.nextMistake = 0;
    this.start(0);
  }

  start(cell) {
    this.stop?.();
    this.stop = null;
    this.from = cell;
    this.cell = cell;
    this.dream = new GridDream(this.model, this.grid.frame(cell));
    this.dreamEnd = null; // moves until the dream's end
    this.trueEnd = null;
    this.moves = 0;
    this.trails = { dream: [], truth: [] }; // cells that the agent has left
    this.told = "";
    this.draw();
  }

  move(action) {
    if (this.dreamEnd !== null && this.trueEnd !== null) {
      return;
    }
    this.moves += 1;
    this.told = `Move ${this.moves}, ${DIRECTIONS[action]}. `;
    if (this.dreamEnd === null) {
      this.trails.dream.push(...this.agentCells(this.dream.frame));
      this.dream.step(action);
      this.dreamEnd = this.dream.over ? this.moves : null;
    }
    if (this.trueEnd === null) {
      this.trails.truth.push(this.cell);
      this.cell = this.grid.move(this.cell, action);
      this.trueEnd = this.cell === this.grid.cells - 1 ? this.moves : null;
    }
    this.draw();
  }

  // The agent sees the dream alone, as in its practice.
  letWalk() {
    this.start(0);
    this.stop = repeat(() => {
      this.move(this.policy.act(this.dream.frame));
      if (this.dreamEnd === null && this.moves < LONGEST) {
        return true;
      }
      this.pause();
      return false;
    }, WALK_EVERY);
    this.draw();
  }

  pause() {
    this.stop?.();
    this.stop = null;
    this.draw();
  }

  goToMistake() {
    const [cell, action] = this.wrong[this.nextMistake % this.wrong.length];
    this.nextMistake += 1;
    this.start(cell);
    this.told = `Both begin anew in ${this.place(cell)}. Now move ${DIRECTIONS[action]}. `;
    this.draw();
    find("boards").focus();
  }

  place(cell) {
    return `row ${Math.floor(cell / this.grid.size) + 1}, column ${(cell % this.grid.size) + 1}`;
  }

  // Cells in which the dream is not as the truth.
  differences() {
    const { cells } = this.grid;
    const truth = this.grid.frame(this.cell);
    return [...Array(cells).keys()].filter((cell) => [0, 1, 2].some((c) => this.dream.frame[c * cells + cell] !== truth[c * cells + cell]));
  }

  // Cells in which a frame shows the agent: one, but in a dream that has gone wrong.
  agentCells(frame) {
    return [...Array(this.grid.cells).keys()].filter((cell) => frame[cell]);
  }

  // What a frame shows in a cell, lowest first.
  shapes(frame, cell) {
    const { cells } = this.grid;
    const ground = frame[2 * cells + cell] ? "wall" : frame[cells + cell] ? "goal" : "floor";
    return [ground, ...(frame[cell] ? ["agent"] : [])];
  }

  drawBoard(name, frame, marked, title) {
    const { size, cells } = this.grid;
    const at = (cell) => [Math.floor(cell / size), cell % size];
    const ground = [...Array(cells).keys()].map((cell) => [...at(cell), ...this.shapes(frame, cell)]);
    const trail = this.trails[name].filter((cell) => !frame[cell]).map((cell) => [...at(cell), "trail"]);
    const svg = find(name);
    svg.setAttribute("viewBox", `-.06 -.06 ${size + 0.12} ${size + 0.12}`);
    drawCells(svg, [...ground, ...trail, ...marked.map((cell) => [...at(cell), "wrong"])]);
    const agents = this.agentCells(frame).map((cell) => this.place(cell));
    svg.setAttribute("aria-label", `${title}: ${agents.length ? `the agent is in ${listed(agents)}` : "no agent"}`);
  }

  draw() {
    const different = this.differences();
    this.drawBoard("dream", this.dream.frame, different, "The model's dream");
    this.drawBoard("truth", this.grid.frame(this.cell), [], "The true grid");
    find("policy").textContent = this.stop ? "Stop" : "Let the agent walk";
    find("level").value = this.number;
    find("mistake").disabled = this.wrong.length === 0;
    find("grid-says").textContent = this.inWords();
    find("grid-differs").textContent = this.differencesInWords(different);
    const total = 4 * [...Array(this.grid.cells - 1).keys()].filter((cell) => !this.grid.walls[cell]).length;
    const where = this.number === NEW ? "On this level, which the agent has never seen," : `On level ${this.number}`;
    find("grid-exact").textContent =
      `${where} the model predicts ${total - this.wrong.length} of ${total} moves exactly, each as the first of an episode.`;
  }

  inWords() {
    const path = this.shortest[this.from];
    if (this.trueEnd !== null && this.dreamEnd === this.trueEnd) {
      return `${this.told}Both reach the goal after ${this.moves} moves; the shortest path has ${path}.`;
    }
    if (this.moves >= LONGEST && this.dreamEnd === null && this.trueEnd === null) {
      return `${this.told}Neither has ended; the shortest path has ${path} moves.`;
    }
    if (this.dreamEnd !== null) {
      return `${this.told}The dream has ended after ${this.dreamEnd} moves, ${this.trueEnd === null ? "the true walk has not" : `the true walk after ${this.trueEnd}`}.`;
    }
    if (this.trueEnd !== null) {
      return `${this.told}The true walk has reached the goal after ${this.trueEnd} moves, the dream goes on.`;
    }
    return `${this.told}The shortest path from ${this.from === 0 ? "the start" : this.place(this.from)} has ${path} moves.`;
  }

  differencesInWords(different) {
    if (!different.length) {
      return "Dream and truth are the same in every cell.";
    }
    const truth = this.grid.frame(this.cell);
    const named = (frame, cell) => ({ floor: "nothing", wall: "a wall", goal: "the goal", agent: "the agent" })[this.shapes(frame, cell).at(-1)];
    const words = different.map((cell) => `${this.place(cell)} (dream: ${named(this.dream.frame, cell)}; truth: ${named(truth, cell)})`);
    return `Dream and truth differ in ${listed(words.slice(0, 4))}${different.length > 4 ? ` and ${different.length - 4} more cells` : ""}.`;
  }
}

function startPage() {
  const data = JSON.parse(find("data").textContent);
  const kernels = new Kernels(data.kernels, 4);
  const corridor = new CorridorPart(new FrameModel(kernels, data.corridor));
  const grid = new GridPart(new FrameModel(kernels, data.grid), new Policy(data.policy), data.levels);
  window.page = { corridor, grid };
}

startPage();
