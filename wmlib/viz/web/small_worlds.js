// The two small worlds of notebook 07 by their true rules (wmlib/envs/grid), and what is done to a model in them.
// Needs frame_model.js.
//
// new Grid(rows)                       a level, a text a row: "." free, "#" obstacle; start upper left, goal lower right
// grid.move(cell, action)              the cell to which up, down, left or right (0 to 3) leads
// grid.frame(cell)                     what is seen: red the agent, green the goal, blue the obstacles
// grid.distances()                     steps to the goal by cell, -1 where no way leads there
// randomRows(size, uniform)            the rows of a new level that can be solved; uniform(): a number from 0 to 1
// wrongMoves(model, grid)              the moves whose next frame a model does not predict in every value: [cell, action]
// new GridDream(model, frame)          a dream that begins with a frame; dream.step(action)
// new Corridor(cues, length)           cues, then a corridor, then as many doors, each told by its cue
// corridor.frame(step)                 what is seen
// walk(model, corridor, edit)          a model walks through it, see below
// exchange(core, state, a, b, whole)   a DNC's state with the contents of two slots swapped; whole: their places in the order too

const MOVES = [[-1, 0], [1, 0], [0, -1], [0, 1]]; // up, down, left, right: rows and columns
const OBSTACLES = 0.25; // proportion of a new level's cells, nearly
const RENAMED = ["memory", "usage", "precedence", "link", "write", "read"]; // all parts of a state that have slots

class Grid {
  constructor(rows) {
    this.size = rows.length;
    this.cells = this.size ** 2;
    this.walls = Array.from(rows.join(""), (sign) => sign === "#");
  }

  move(cell, action) {
    const row = Math.floor(cell / this.size) + MOVES[action][0];
    const column = (cell % this.size) + MOVES[action][1];
    const inside = row >= 0 && row < this.size && column >= 0 && column < this.size;
    const to = row * this.size + column;
    return inside && !this.walls[to] ? to : cell;
  }

  frame(cell) {
    const frame = new Float32Array(3 * this.cells);
    frame[cell] = 1;
    frame[2 * this.cells - 1] = 1;
    this.walls.forEach((wall, i) => {
      frame[2 * this.cells + i] = wall ? 1 : 0;
    });
    return frame;
  }

  distances() {
    const steps = new Array(this.cells).fill(-1);
    const queue = [this.cells - 1];
    steps[this.cells - 1] = 0;
    for (const cell of queue) {
      for (const action of MOVES.keys()) {
        const neighbour = this.move(cell, action); // what a move reaches, a move leaves
        if (steps[neighbour] < 0) {
          steps[neighbour] = steps[cell] + 1;
          queue.push(neighbour);
        }
      }
    }
    return steps;
  }
}

function randomRows(size, uniform) {
  for (;;) {
    const signs = Array.from({ length: size ** 2 }, () => (uniform() < OBSTACLES ? "#" : "."));
    signs[0] = ".";
    signs[size ** 2 - 1] = ".";
    const rows = Array.from({ length: size }, (_, row) => signs.slice(row * size, (row + 1) * size).join(""));
    if (new Grid(rows).distances()[0] > 0) {
      return rows;
    }
  }
}

function wrongMoves(model, grid) {
  const wrong = [];
  for (let cell = 0; cell < grid.cells - 1; cell++) {
    if (grid.walls[cell]) {
      continue;
    }
    const { memory } = model.see(grid.frame(cell), -1, model.core.initialState());
    for (const action of MOVES.keys()) {
      const predicted = rounded(model.outcome(grid.frame(cell), memory, action).logits);
      const following = grid.frame(grid.move(cell, action));
      if (predicted.some((value, i) => value !== following[i])) {
        wrong.push([cell, action]);
      }
    }
  }
  return wrong;
}

class GridDream {
  constructor(model, frame) {
    this.model = model;
    this.age = 0; // steps
    this.over = false;
    this.look(frame, -1, model.core.initialState());
  }

  look(frame, before, state) {
    this.frame = frame;
    Object.assign(this, this.model.see(frame, before, state)); // memory and state
  }

  step(action) {
    const { logits, done } = this.model.outcome(this.frame, this.memory, action);
    this.over = done >= 0; // a probability of at least 0.5
    this.age += 1;
    this.look(rounded(logits), action, this.state);
  }
}

const SIDE = 8; // of a frame of the corridor
const SYMBOLS = 4;
const SIGNS = [[1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 0, 1]]; // red, yellow, cyan, pink
const PLACES = { agent: [1, 0, 0], cue: [0, 1, 0], corridor: [1, 1, 1], door: [0, 0, 1] };

class Corridor {
  constructor(cues, length) {
    this.cues = cues; // each 0 to 3
    this.firstDoor = cues.length + length;
    this.steps = this.firstDoor + cues.length;
  }

  // The path winds through the rows below the signs: right, left and so on.
  place(step) {
    const row = Math.floor(step / SIDE);
    const column = step % SIDE;
    return [row + 1, row % 2 ? SIDE - 1 - column : column];
  }

  kind(step) {
    if (step < this.cues.length) {
      return "cue";
    }
    return step < this.firstDoor ? "corridor" : "door";
  }

  // The symbol that is shown: a cue, the right one of the door just passed, or null.
  sign(step) {
    if (step < this.cues.length) {
      return this.cues[step];
    }
    return step > this.firstDoor ? this.cues[step - this.firstDoor - 1] : null;
  }

  frame(step) {
    const frame = new Float32Array(3 * SIDE * SIDE);
    const paint = ([row, column], colour) => {
      colour.forEach((value, plane) => {
        frame[(plane * SIDE + row) * SIDE + column] = value;
      });
    };
    const sign = this.sign(step);
    if (sign !== null) {
      paint([0, 2 * sign], SIGNS[sign]);
      paint([0, 2 * sign + 1], SIGNS[sign]);
    }
    for (let at = 0; at < this.steps; at++) {
      paint(this.place(at), PLACES[at === step ? "agent" : this.kind(at)]);
    }
    return frame;
  }
}

// At each door the symbol with the largest predicted reward is chosen. `edit` is what is done to the core's state when the
// corridor is behind and before the first door is seen: state -> state; null: nothing. Returns choices, the rewards expected at
// each door, and the core's state after each step.
function walk(model, corridor, edit = null) {
  let state = model.core.initialState();
  let before = -1;
  const result = { choices: [], expected: [], states: [] };
  for (let step = 0; step < corridor.steps; step++) {
    const frame = corridor.frame(step);
    const seen = model.see(frame, before, step === corridor.firstDoor && edit ? edit(state) : state);
    state = seen.state;
    result.states.push(state);
    before = 0;
    if (step >= corridor.firstDoor) {
      const rewards = Array.from({ length: SYMBOLS }, (_, symbol) => model.outcome(frame, seen.memory, symbol).reward);
      before = largest(rewards);
      result.choices.push(before);
      result.expected.push(rewards);
    }
  }
  return result;
}

function exchange(core, state, a, b, whole = false) {
  const edited = copyState(state);
  const { slots, width, heads } = core;
  const order = Array.from({ length: slots }, (_, n) => (n === a ? b : n === b ? a : n));
  for (const name of whole ? RENAMED : ["memory"]) {
    const old = state[name];
    const part = edited[name];
    const row = { memory: width, link: slots }[name] ?? 1; // numbers of a slot that lie together
    const groups = name === "read" ? heads : 1;
    for (let group = 0; group < groups; group++) {
      for (let n = 0; n < slots; n++) {
        for (let k = 0; k < row; k++) {
          const column = name === "link" ? order[k] : k;
          part[(group * slots + n) * row + k] = old[(group * slots + order[n]) * row + column];
        }
      }
    }
  }
  return edited;
}

// The slot that was written most strongly when each cue was shown.
function slotsOfCues(walked, corridor) {
  return corridor.cues.map((_, i) => largest(Array.from(walked.states[i].write)));
}
