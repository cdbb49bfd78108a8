"""The page of the two small dreams: JavaScript computes what PyTorch does, and in a browser two doors swap."""

import re
import time

import numpy as np
import pytest
import torch

from wmlib import weights
from wmlib.agents.policies import ActorCritic, PolicyConfig
from wmlib.command.screenshot import set_size
from wmlib.envs.grid import cue_corridor, navigation
from wmlib.envs.grid.levels import LEVELS, as_text, distances, moves
from wmlib.lessons.neural_computer_agent import corridor, corridor_memory, shipped
from wmlib.models.frame_model import FrameModel
from wmlib.models.specs import CoreConfig
from wmlib.viz.web import SMALL_PAGE, build, small

TOLERANCE = 1e-4
LEVEL = (8, 1)
# what the page has beside the library, and typed arrays as lists
LIBRARY = (
    build.script("frame_model.js", "small_worlds.js")
    + """
const listed = (name, part) => (ArrayBuffer.isView(part) ? Array.from(part) : part);
const plain = (value) => JSON.parse(JSON.stringify(value, listed));
"""
)


@pytest.fixture
def computed(javascript):
    """A function that runs the body of a JavaScript function of `data` and `kernels`, and returns its result."""

    def run(data, program):
        main = "function main(data) { const kernels = new Kernels(data.kernels, 4); return plain((() => {%s})()); }"
        return javascript(LIBRARY + main.replace("%s", program), data)

    return run


@pytest.fixture(scope="module")
def shipped_models():
    """The corridor's model, the grid's model and its policy."""
    return [weights.load(name)[0] for name in (shipped.CORRIDOR_MODEL, shipped.GRID_MODEL, shipped.GRID_POLICY)]


@pytest.mark.parametrize("simd", [True, False])
@pytest.mark.parametrize("kind", ["dnc", "lstm"])
@torch.no_grad()
def test_a_frame_model_predicts_as_in_pytorch(computed, kind, simd):
    rng = torch.Generator().manual_seed(1)
    core = CoreConfig(kind, hidden_size=13, num_slots=7, word_size=5, num_heads=2)
    model = FrameModel(core, (3, 4, 5), 4, vector_size=11, generator=rng)
    for parameter in model.parameters():
        parameter += 0.1 * torch.randn(parameter.shape, generator=rng)  # the last layer starts at zero
    frames = (torch.rand(1, 40, 3, 4, 5, generator=rng) < 0.4).float()
    actions = torch.randint(4, (1, 40), generator=rng)
    prediction, _ = model(frames, actions)
    data = {"model": small.frame_model_record(model), "frames": frames[0].flatten(1).tolist(), "actions": actions[0].tolist()}
    program = """
        const model = new FrameModel(kernels, data.model);
        let state = model.core.initialState();
        return data.frames.map((values, t) => {
            const frame = Float32Array.from(values);
            const seen = model.see(frame, t ? data.actions[t - 1] : -1, state);
            state = seen.state;
            return model.outcome(frame, seen.memory, data.actions[t]);
        });
    """
    steps = computed({**data, "kernels": build.kernels() if simd else ""}, program)
    for name, expected in (
        ("logits", prediction.frames[0].flatten(1)),
        ("reward", prediction.reward[0]),
        ("done", prediction.done[0]),
    ):
        np.testing.assert_allclose([step[name] for step in steps], expected, rtol=0, atol=TOLERANCE)


@torch.no_grad()
def test_a_policy_says_what_it_says_in_pytorch(computed, shipped_models):
    policy = shipped_models[2]
    seen = torch.rand(5, 108, generator=torch.Generator().manual_seed(0))
    data = {"policy": small.policy_record(policy), "seen": seen.tolist(), "kernels": ""}
    program = "const policy = new Policy(data.policy); return data.seen.map((row) => policy.logits(Float32Array.from(row)));"
    np.testing.assert_allclose(computed(data, program), policy.step(seen).logits, rtol=0, atol=TOLERANCE)


def test_the_worlds_have_the_rules_of_the_environments(computed):
    levels = [*LEVELS[6], *LEVELS[8]]
    cues = [2, 0, 3, 1, 1]
    data = {"levels": [as_text(level).split() for level in levels], "cues": cues, "length": 30, "kernels": ""}
    program = """
        const grids = data.levels.map((rows) => {
            const grid = new Grid(rows);
            const cells = [...Array(grid.cells).keys()];
            const moves = cells.map((cell) => [0, 1, 2, 3].map((action) => grid.move(cell, action)));
            return { moves, frames: cells.map((cell) => grid.frame(cell)), distances: grid.distances() };
        });
        const corridor = new Corridor(data.cues, data.length);
        return { grids, corridor: Array.from({ length: corridor.steps + 1 }, (_, step) => corridor.frame(step)) };
    """
    result = computed(data, program)
    for layout, grid in zip(levels, result["grids"], strict=True):
        assert grid["moves"] == moves(layout).tolist()
        assert grid["distances"] == distances(layout).ravel().tolist()
        drawn = np.stack([navigation.draw(layout, cell) for cell in range(layout.size)]) // 255
        assert grid["frames"] == drawn.transpose(0, 3, 1, 2).reshape(layout.size, -1).tolist()
    level = (len(cues), 30)
    steps = range(cue_corridor.num_steps(level) + 1)
    drawn = np.stack([cue_corridor.draw(level, t, cue_corridor.sign_at(level, t, cues)) for t in steps]) // 255
    assert result["corridor"] == drawn.transpose(0, 3, 1, 2).reshape(len(steps), -1).tolist()


@torch.no_grad()
def test_a_walk_and_every_exchange_are_those_of_the_notebook(computed, shipped_models):
    model = shipped_models[0]
    rng = np.random.default_rng(4)
    pairs, cues = corridor_memory.unlike_pairs(LEVEL, 1, rng)
    walked, trace = corridor_memory.watch(model, LEVEL, cues)
    two = corridor_memory.slots_of_cues(trace, 8).gather(1, torch.from_numpy(pairs))
    edited = [
        corridor.play(model, LEVEL, cues, lambda state, parts=parts: corridor_memory.exchange(state, *two.T, parts))
        for parts in (corridor_memory.CONTENT, corridor_memory.RENAMED)
    ]
    data = {
        "model": small.frame_model_record(model),
        "cues": cues.tolist(),
        "pairs": pairs.tolist(),
        "kernels": build.kernels(),
    }
    program = """
        const model = new FrameModel(kernels, data.model);
        return data.pairs.map((pair, row) => {
            const corridor = new Corridor(data.cues[row], 1);
            const plain = walk(model, corridor);
            const [a, b] = pair.map((cue) => slotsOfCues(plain, corridor)[cue]);
            const edited = [false, true].map((whole) => walk(model, corridor, (s) => exchange(model.core, s, a, b, whole)));
            const kept = (walked) => [walked.choices, walked.expected];
            return [plain, ...edited].map(kept);
        });
    """
    for row, results in enumerate(computed(data, program)):
        for (choices, expected), theirs in zip(results, (walked, *edited), strict=True):
            assert choices == theirs.choices[row].tolist()
            np.testing.assert_allclose(expected, theirs.expected[row], rtol=0, atol=TOLERANCE)


def test_an_exchange_concerns_every_head_and_both_axes_of_the_link(computed):
    rng = torch.Generator().manual_seed(0)
    sizes = {
        "memory": (5, 4),
        "usage": (5,),
        "precedence": (5,),
        "link": (5, 5),
        "write": (5,),
        "read": (2, 5),
        "reads": (2, 4),
    }
    parts = {name: torch.rand(1, *shape, generator=rng) for name, shape in sizes.items()}
    state = corridor_memory.DNCState(h=torch.zeros(1, 3), c=torch.zeros(1, 3), **parts)
    data = {name: getattr(state, name)[0].flatten().tolist() for name in sizes}
    program = """
        const state = Object.fromEntries(Object.entries(data.state).map(([name, part]) => [name, Float32Array.from(part)]));
        return [false, true].map((whole) => exchange({ slots: 5, width: 4, heads: 2 }, state, 1, 3, whole));
    """
    results = computed({"state": data, "kernels": ""}, program)
    for result, names in zip(results, (corridor_memory.CONTENT, corridor_memory.RENAMED), strict=True):
        expected = corridor_memory.exchange(state, torch.tensor([1]), torch.tensor([3]), names)
        for name in sizes:
            np.testing.assert_allclose(result[name], getattr(expected, name)[0].flatten(), rtol=1e-6)


def test_the_wrong_moves_are_those_of_pytorch_and_the_policy_dreams_shortest_paths(computed, shipped_models):
    _, model, policy = shipped_models
    data = {
        "model": small.frame_model_record(model),
        "policy": small.policy_record(policy),
        "levels": [as_text(level).split() for level in LEVELS[6]],
        "kernels": build.kernels(),
    }
    program = """
        const model = new FrameModel(kernels, data.model);
        const policy = new Policy(data.policy);
        return data.levels.map((rows) => {
            const grid = new Grid(rows);
            const dream = new GridDream(model, grid.frame(0));
            let cell = 0;
            let same = true;
            while (!dream.over && dream.age < 40) {
                const action = policy.act(dream.frame);
                dream.step(action);
                cell = grid.move(cell, action);
                same &&= grid.frame(cell).every((value, i) => value === dream.frame[i]);
            }
            return { wrong: wrongMoves(model, grid), age: dream.age, over: dream.over, same };
        });
    """
    for layout, result in zip(LEVELS[6], computed(data, program), strict=True):
        assert sorted(map(tuple, result["wrong"])) == sorted(shipped.wrong_moves(model, layout))
        assert result["over"] and result["same"] and result["age"] == distances(layout)[0, 0]


def test_new_levels_have_at_least_five_times_as_many_wrong_moves_on_average(computed, shipped_models):
    data = {
        "model": small.frame_model_record(shipped_models[1]),
        "levels": [as_text(level).split() for level in LEVELS[6]],
        "kernels": build.kernels(),
    }
    program = """
        const model = new FrameModel(kernels, data.model);
        const chance = new Chance(0);
        const drawn = Array.from({ length: 20 }, () => randomRows(6, () => chance.uniform()));
        return [data.levels, drawn].map((levels) => levels.map((rows) => wrongMoves(model, new Grid(rows)).length));
    """
    learnt, new = computed(data, program)
    print(f"wrong moves: learnt levels {learnt}, new levels {new}")
    assert np.mean(new) > 5 * np.mean(learnt)


def test_policies_that_the_page_cannot_run_are_refused():
    box = navigation.gymnasium.spaces.Box(-1, 1, (5,), np.float32)
    rng = torch.Generator()
    with pytest.raises(ValueError, match="policy has ReLU; the page runs linear layers with tanh"):
        small.policy_record(ActorCritic(box, 3, PolicyConfig(activation="relu"), generator=rng))
    with pytest.raises(ValueError, match="policy has a core; the page"):
        small.policy_record(ActorCritic(box, 3, PolicyConfig(core=CoreConfig()), generator=rng))


def test_a_corridor_without_slots_is_refused(shipped_models):
    model = FrameModel(CoreConfig("lstm"), (3, 8, 8), 4, generator=torch.Generator())
    with pytest.raises(ValueError, match="corridor has the core LSTM; the page swaps slots, which only a DNC has"):
        small.build_small_page(model, *shipped_models[1:])


# --- the page


@pytest.fixture(scope="module")
def page(tmp_path_factory, shipped_models):
    """The page's file."""
    path = tmp_path_factory.mktemp("web") / "small.html"
    path.write_text(small.build_small_page(*shipped_models, about="by <hand>", notebook="07.html"), encoding="utf-8")
    return path


def test_the_page_is_small_whole_and_fetches_nothing(page):
    text = page.read_text(encoding="utf-8")
    assert len(text) < 1e6
    assert "{{" not in text and "by &lt;hand&gt;" in text and '<a href="07.html">' in text
    assert re.findall(r"""(?:src|href)=["'](?!#|data:|07\.html)""", text) == []
    assert not re.search(r"https?://(?!www\.w3\.org)|\bfetch\(|\bimport\(|XMLHttpRequest|@import|url\(", text)


def test_what_the_page_says_of_the_models_is_in_the_manifest(page):
    text = page.read_text(encoding="utf-8")
    _, entry = weights.load(shipped.GRID_MODEL)
    (steps,) = re.findall(r"(\d+) live steps", entry["made"])
    assert f"from {int(steps):,} live steps" in text
    wrong = entry["scores"]["moves predicted wrong"]
    assert wrong == entry["scores"]["those of them that the agent had never made live"]
    assert f"All {wrong} moves that it gets wrong" in text


def test_a_notebook_shows_the_page(tmp_path, monkeypatch):
    monkeypatch.setattr(small, "published_small_page", lambda load: "<p>a page</p>")
    widget = small.show_small_page(tmp_path / "build" / SMALL_PAGE, None, tmp_path)
    text = "".join(child.value for child in widget.children)
    assert f'<iframe src="/files/build/{SMALL_PAGE}" title="Two small dreams' in text and "<b>Swap two memories</b>" in text
    assert (tmp_path / "build" / SMALL_PAGE).read_text() == "<p>a page</p>"


@pytest.fixture
def opened(calm_browser, page):
    """The browser with the page just loaded; nothing may have gone wrong by the end."""
    set_size(calm_browser, 1000, 1000)
    calm_browser.get(page.as_uri())
    yield calm_browser
    assert calm_browser.get_log("browser") == []


def said(browser, name):
    return browser.find_element("id", name).text


def doors(browser, name):
    return [tile.text.split()[-1] for tile in browser.find_elements("css selector", f"#{name} .tile")]


def slots(browser):
    return browser.find_elements("css selector", "#plain-memory button")


def press(browser, *keys):
    """Press keys wherever the focus is."""
    from selenium.webdriver.common.action_chains import ActionChains

    ActionChains(browser).send_keys(*keys).perform()


def test_swapping_two_slots_swaps_two_doors(opened):
    before = doors(opened, "plain-doors")
    assert before == [button.text.split()[-1] for button in opened.find_elements("css selector", "#cues button")]
    for row in (2, 5):
        slots(opened)[row].click()
    wanted = before.copy()
    wanted[2], wanted[5] = before[5], before[2]
    assert wanted != before and doors(opened, "edited-doors") == wanted and doors(opened, "plain-doors") == before
    assert "Doors 3 and 6 have swapped their choices, and all others stay" in said(opened, "swap-says")
    changed = opened.find_elements("css selector", "#edited-doors .changed")
    assert len(changed) == 2
    opened.find_element("id", "whole-slots").click()
    assert doors(opened, "edited-doors") == before and "no door changes" in said(opened, "swap-says")


def test_slots_without_a_cue_change_nothing_and_cue_1_moves_the_start(opened):
    before = doors(opened, "plain-doors")
    for row in (12, 14):
        slots(opened)[row].click()
    assert doors(opened, "edited-doors") == before and "Neither slot holds a cue" in said(opened, "swap-says")
    for row in (0, 3):
        slots(opened)[row].click()
    assert doors(opened, "edited-doors")[:5] == [before[0], *before[4:]]
    assert "the reading goes on from there" in said(opened, "swap-says")


def test_the_corridor_by_keys_alone(opened):
    from selenium.webdriver.common.keys import Keys

    before = doors(opened, "plain-doors")
    slots(opened)[1].send_keys(Keys.ENTER)
    press(opened, Keys.TAB, Keys.TAB, Keys.SPACE)  # from the slot of cue 2 to that of cue 4
    after = doors(opened, "edited-doors")
    assert (after[1], after[3]) == (before[3], before[1]) and after[:1] + after[4:] == before[:1] + before[4:]
    step = opened.find_element("id", "corridor-step")
    step.send_keys(Keys.HOME)
    assert said(opened, "corridor-says").startswith("Step 1 of 17: cue 1 is") and doors(opened, "plain-doors") == ["?"] * 8
    step.send_keys(*[Keys.ARROW_RIGHT] * 10)
    assert "Step 11 of 17: door 2" in said(opened, "corridor-says") and "With the swap" in said(opened, "corridor-says")
    opened.find_element("id", "corridor-play").send_keys(Keys.ENTER)  # without motion: at once
    assert said(opened, "corridor-says").startswith("The end: 8 of 8 doors are right")


def test_other_cues_keep_the_swap(opened):
    for row in (1, 6):
        slots(opened)[row].click()
    for _ in range(5):
        opened.find_element("id", "new-cues").click()
        before = doors(opened, "plain-doors")
        assert before == [button.text.split()[-1] for button in opened.find_elements("css selector", "#cues button")]
        before[1], before[6] = before[6], before[1]
        assert doors(opened, "edited-doors") == before


def test_the_agent_walks_shortest_paths_in_the_dream(opened):
    for number, layout in enumerate(LEVELS[6]):
        opened.execute_script("page.grid.openLevel(arguments[0])", number)
        opened.find_element("id", "policy").click()
        shortest = distances(layout)[0, 0]
        assert f"Both reach the goal after {shortest} moves; the shortest path has {shortest}" in said(opened, "grid-says")
        assert said(opened, "grid-differs") == "Dream and truth are the same in every cell."


def test_the_arrow_keys_move_in_both_and_a_wrong_move_shows(opened):
    from selenium.webdriver.common.keys import Keys

    opened.execute_script("page.grid.openLevel(0)")
    opened.find_element("id", "boards").send_keys(Keys.ARROW_RIGHT, Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert said(opened, "grid-says").startswith("Move 3, down.")
    assert "row 2, column 3" in opened.find_element("id", "truth").get_attribute("aria-label")
    assert "row 2, column 3" in opened.find_element("id", "dream").get_attribute("aria-label")
    opened.execute_script("page.grid.openLevel(3)")
    opened.find_element("id", "mistake").send_keys(Keys.ENTER)
    (direction,) = re.findall(r"Now move (\w+)\.", said(opened, "grid-says"))
    press(opened, getattr(Keys, f"ARROW_{direction.upper()}"))  # the boards have the focus
    assert said(opened, "grid-differs").startswith("Dream and truth differ in row")
    assert opened.find_elements("css selector", "#dream .wrong")


def test_a_new_level_can_be_solved_and_is_said_to_be_new(opened):
    for _ in range(5):
        opened.find_element("id", "new-level").click()
        assert "which the agent has never seen" in said(opened, "grid-exact")
        assert opened.execute_script("return page.grid.shortest[0]") >= 10
    opened.find_element("id", "policy").click()
    assert re.match(r"Move \d+, ", said(opened, "grid-says"))


@pytest.mark.parametrize("width", [360, 900, 1600])
def test_nothing_overflows_at_any_width(opened, width):
    set_size(opened, width, 900)
    time.sleep(0.1)
    assert opened.execute_script("return document.documentElement.scrollWidth") <= width
    assert opened.execute_script("return document.querySelectorAll('svg:not([aria-label])').length") == 0
    small_ones = "return [...document.querySelectorAll('button')].filter((b) => b.getBoundingClientRect().height < 24).length"
    assert opened.execute_script(small_ones) == 0
