"""The page's JavaScript against PyTorch: cores, mixtures, ends and pictures are the same, in both kernels."""

import re

import numpy as np
import pytest
import torch

from wmlib import weights
from wmlib.agents import linear_controller
from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM
from wmlib.models.vae import Posterior
from wmlib.viz.web import build, starts

STEPS = 100
EVERY = 20  # steps from one picture that is compared to the next
TOLERANCE = 1e-4
KERNELS = {"SIMD": build.kernels(), "plain loops": ""}


def generator():
    return torch.Generator().manual_seed(0)


def assert_close(ours, theirs):
    np.testing.assert_allclose(np.asarray(ours), np.asarray(theirs), rtol=0, atol=TOLERANCE)


def test_the_committed_kernel_is_its_source_compiled():
    pytest.importorskip("wasmtime", reason="needs wasmtime: pip install -e '.[dev]'")
    committed = (build.FOLDER / "kernels.wasm.txt").read_text(encoding="utf-8")
    ours, theirs = (re.sub(r"wasmtime [\d.]+", "wasmtime", text) for text in (committed, build.compiled_kernels()))
    assert ours == theirs, "write what build.compiled_kernels() returns into kernels.wasm.txt"


def test_products_of_any_size_in_both_kernels(javascript):
    body = """
    function main({ kernels, cases }) {
      return Object.values(kernels).map((kernel) => cases.map(({ layer, x }) => {
        const made = new Kernels(kernel, 1);
        const weights = made.layer(layer);
        const inputs = made.alloc(x.length * weights.stride);
        x.forEach((row, i) => inputs.set(row, i * weights.stride));
        const y = made.alloc(x.length * weights.padded);
        made.apply(weights, inputs, y, x.length);
        const rows = x.map((_, i) => Array.from(y.slice(i * weights.padded, i * weights.padded + weights.rows)));
        return { simd: made.simd, rows };
      }));
    }"""
    rng = np.random.default_rng(0)
    cases = []
    products = []
    for m, rows, columns in [(1, 1, 1), (1, 7, 13), (2, 4, 4), (5, 93, 30), (3, 12, 610)]:
        x, weight, bias = (rng.standard_normal(size).astype(np.float32) for size in ((m, columns), (rows, columns), rows))
        cases.append({"x": x.tolist(), "layer": build.pack_layer(torch.from_numpy(weight), torch.from_numpy(bias))})
        products.append(x @ weight.T + bias)
    results = javascript(body, {"kernels": KERNELS, "cases": cases})
    for name, answers in zip(KERNELS, results, strict=True):
        for answer, product in zip(answers, products, strict=True):
            assert answer["simd"] is (name == "SIMD")
            assert_close(answer["rows"], product)


def test_too_little_memory_is_named(javascript):
    body = """
    function main() {
      try { new Kernels("", 1).alloc(1e6); } catch (error) { return error.message; }
    }"""
    assert javascript(body, None) == "megabytes: got 1, which is too little; make Kernels with more"


CORES = {
    "LSTM": lambda: LSTM(5, 18, generator=generator()),
    "LSTM with an output layer": lambda: LSTM(5, 18, 3, generator=generator()),
    "DNC": lambda: DNC(5, 18, 7, 6, 2, generator=generator()),
    "DNC without a link, with an output layer": lambda: DNC(5, 18, 7, 6, 1, 3, generator=generator(), link="none"),
}


def test_cores_of_random_weights_in_both_kernels(javascript):
    body = """
    function run(kernel, core, inputs) {
      const made = makeCore(new Kernels(kernel, 1), core);
      const state = made.initialState();
      const outputs = inputs.map((x) => Array.from(made.step(x, state)).slice(0, made.outputSize));
      return { outputs, state: Object.fromEntries(Object.entries(state).map(([name, part]) => [name, Array.from(part)])) };
    }
    function main({ kernels, cores, inputs }) {
      return Object.values(kernels).map((kernel) => cores.map((core) => run(kernel, core, inputs)));
    }"""
    inputs = torch.randn(STEPS, 5, generator=generator())
    cores = [make() for make in CORES.values()]
    for core in cores:
        for parameter in core.parameters():
            parameter.data *= 4  # gates that open and close, slots that differ
    records = [build.core_record(core) for core in cores]
    for answers in javascript(body, {"kernels": KERNELS, "cores": records, "inputs": inputs.tolist()}):
        for core, answer in zip(cores, answers, strict=True):
            with torch.no_grad():
                outputs, state = core(inputs)
            assert_close(answer["outputs"], outputs.numpy())
            for part, values in state._asdict().items():
                assert_close(answer["state"][part], values.flatten().numpy())


# title -> name of the weights; no agent with an LSTM is published
AGENTS = {"LSTM, random weights": None, "DNC, small": "controller", "DNC, 512 cells": "controller_dnc_512"}
DREAM = """
function main({ kernels, ...dream }) {
  return Object.values(kernels).map((kernel) => run(kernel, dream));
}

function run(kernel, { agent, z, uniform, normal, every }) {
  const made = new Agent(new Kernels(kernel), agent);
  const dream = new Dream(made, Float32Array.from(z));
  const kept = { z: [], h: [], done: [], actions: [], frames: [] };
  for (let t = 0; t < uniform.length; t++) {
    const action = dream.act();
    dream.dead = false; // ends are compared, not obeyed
    dream.step(action, { uniform: uniform[t], normal: normal[t] }, 1);
    kept.z.push(Array.from(dream.z));
    kept.h.push(Array.from(dream.state.h));
    kept.done.push(dream.doneLogit);
    kept.actions.push(action);
    if (t % every === 0) {
      kept.frames.push(Array.from(dream.paint()));
    }
  }
  return kept;
}"""


@torch.no_grad()
def dreamed(agent, first, uniform, normal):
    """The same dream in PyTorch: latents, h, logits of the end, actions and some pictures of free steps."""
    model = agent.world_model
    state = model.core.initial_state(1)
    z = first
    kept = {"z": [], "h": [], "done": [], "actions": [], "frames": []}
    for t in range(len(uniform)):
        features = linear_controller.features(model, z, state, agent.names)
        action = linear_controller.act(agent.weights, features)
        prediction, state = model.step(z, agent.actions[action], state)
        z = prediction.mixture.draw(uniform[[t]], normal[[t]])
        kept["z"].append(z[0].tolist())
        kept["h"].append(state.h[0].tolist())
        kept["done"].append(prediction.done.item())
        kept["actions"].append(action.item())
        if t % EVERY == 0:
            kept["frames"].append(agent.vae.decode(z)[0].flatten().tolist())
    return kept


def first_latents(name):
    """Where a published agent's dreams begin, (1, 64); for others the origin."""
    if AGENTS[name] is None:
        return torch.zeros(1, 64)
    recorded = starts.read()["starts"][AGENTS[name]]
    posterior = Posterior(*(torch.from_numpy(starts.unpack(recorded[part]))[:1] for part in ("mean", "log_variance")))
    return posterior.reparameterized(torch.randn(1, 64, generator=generator()))


@pytest.mark.parametrize("name", AGENTS)
def test_a_dream_of_a_hundred_free_steps_in_both_kernels(javascript, lstm_agent, name):
    agent = weights.load_agent(AGENTS[name]) if AGENTS[name] else lstm_agent
    rng = np.random.default_rng(0)
    uniform = 1 - rng.random((STEPS, 64), np.float32)
    normal = rng.standard_normal((STEPS, 64)).astype(np.float32)
    first = first_latents(name)
    theirs = dreamed(agent, first, torch.from_numpy(uniform), torch.from_numpy(normal))
    value = {"kernels": KERNELS, "agent": build.agent_record(agent), "z": first[0].tolist()}
    value |= {"uniform": uniform.tolist(), "normal": normal.tolist(), "every": EVERY}
    for kernel, ours in zip(KERNELS, javascript(DREAM, value), strict=True):
        assert ours["actions"] == theirs["actions"]
        differences = {part: np.abs(np.array(ours[part]) - np.array(theirs[part])).max() for part in theirs}
        print(f"{name}, {kernel}: {differences}")
        assert max(differences.values()) < TOLERANCE


EDITS = """
const EDITS = {
  erase: (twin, number) => twin.state.memory.fill(0, 16 * number, 16 * number + 16),
  "erase all": (twin) => twin.state.memory.fill(0),
  zeroReads: (twin) => (twin.edits.zeroReads = true),
  freezeMemory: (twin) => (twin.edits.freezeMemory = true),
  zeroH: (twin) => (twin.edits.zeroH = true),
};

// The distance after each step of every edit at step 100; null once a twin is dead.
function edited(agent, starts, number) {
  const generator = new Chance(number);
  const dream = new Dream(agent, firstLatents(starts, number, generator));
  const step = (dream, chance) => dream.step(dream.act(), chance, 1);
  while (dream.age < 100) {
    step(dream, drawChance(generator, 64));
  }
  const twins = Object.values(EDITS).map((edit) => {
    const twin = dream.twin();
    edit(twin, number);
    return twin;
  });
  return Array.from({ length: 200 }, () => {
    const chance = drawChance(generator, 64);
    [dream, ...twins].forEach((one) => step(one, chance));
    return twins.map((twin) => (dream.dead || twin.dead ? null : distance(dream.z, twin.z)));
  });
}

// Whether there is a fireball in every tenth picture of the second hundred steps, at temperature 0.1.
function coldFireballs(agent, starts, number) {
  const generator = new Chance(number);
  const dream = new Dream(agent, firstLatents(starts, number, generator));
  const seen = [];
  while (dream.age < 200 && !dream.dead) {
    dream.step(dream.act(), drawChance(generator, 64), 0.1);
    if (dream.age > 100 && dream.age % 10 === 0) {
      seen.push(largestBlob(dream.paint()).size >= SMALLEST_BLOB);
    }
  }
  return seen;
}

function main({ kernels, agent, starts, dreams }) {
  const made = new Agent(new Kernels(kernels), agent);
  const numbers = [...Array(dreams).keys()];
  const distances = numbers.map((number) => edited(made, starts, number));
  return [Object.keys(EDITS), distances, numbers.flatMap((number) => coldFireballs(made, starts, number))];
}"""
DREAMS = 12


@pytest.mark.parametrize("name", ["controller", "controller_dnc_512"])
def test_what_the_page_says_of_edits_and_of_temperature_holds(javascript, name):
    value = {"kernels": build.kernels(), "agent": build.agent_record(weights.load_agent(name)), "dreams": DREAMS}
    edits, distances, fireballs = javascript(EDITS, value | {"starts": starts.read()["starts"][name]})
    means = dict(zip(edits, np.nanmean(np.array(distances, float), 0).T, strict=True))
    for edit, values in means.items():
        print(f"{name}, {edit}: {', '.join(f'step {step} {values[step - 1]:.4f}' for step in (1, 2, 10, 50, 100, 200))}")
    print(f"{name}: a fireball in {np.mean(fireballs):.1%} of {len(fireballs)} pictures at temperature 0.1")
    assert means["erase"][0] < 0.1 * means["zeroReads"][0]
    assert means["erase"][0] < means["erase"][9] < means["erase"][49] < means["erase"][199]
    assert (means["freezeMemory"][:10] < 0.5 * means["zeroReads"][:10]).all()
    assert means["zeroH"][1] > max(values[1] for edit, values in means.items() if edit != "zeroH")
    assert np.mean(fireballs) < 0.05 if name == "controller" else np.mean(fireballs) > 0.1
