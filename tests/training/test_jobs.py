"""Long jobs: whole, in blocks, resumed, side by side; always the same bits."""

import json
import os

import numpy as np
import pytest

from wmlib.experiment.cache import ArtifactCache, ArtifactWarning
from wmlib.experiment.checkpoint import CheckpointError
from wmlib.training import jobs
from wmlib.training.jobs import Job, cached_map, load_output, parallel_map, run_jobs

RUN = []  # what the trainers of this process did: (name, step)


@pytest.fixture(autouse=True)
def nothing_run_yet():
    RUN.clear()


class Walk:
    """A random walk, as a trainer."""

    def __init__(self, seed, stop_at=None):
        self.rng = np.random.default_rng(seed)
        self.seed, self.stop_at = seed, stop_at
        self.step, self.place = 0, 0.0

    def run(self, steps):
        for _ in range(steps):
            if self.step == self.stop_at:
                raise KeyboardInterrupt
            self.place += self.rng.standard_normal()
            self.step += 1
            RUN.append((self.seed, self.step))
            yield self.place

    def state_dict(self):
        return {"rng": self.rng, "step": self.step, "place": self.place}

    def load_state_dict(self, state):
        self.rng, self.step, self.place = state["rng"], state["step"], state["place"]


STOP = {}  # seed -> step at which a walk of it is interrupted


def begin(seed):
    return Walk(seed, STOP.get(seed))


def place(walk):
    return {"place": walk.place, "step": walk.step}


def walk(seed, steps=10, output_steps=None):
    return Job(begin, {"seed": seed}, steps, place, output_steps)


def plain(seed, steps):
    whole = Walk(seed)
    list(whole.run(steps))
    return whole.place


@pytest.mark.parametrize("block", [1, 3, 10, 100])
@pytest.mark.parametrize("parallel_from", [0, 10**9])
def test_blocks_and_processes_change_no_bit(tmp_path, block, parallel_from):
    todo = [walk(1), walk(2, 7), walk(3, 1)]
    folders = run_jobs(ArtifactCache(tmp_path), todo, "walks", block=block, parallel_from=parallel_from)
    for job, folder in zip(todo, folders, strict=True):
        output = load_output(folder, job.steps)
        assert output == {"place": plain(job.arguments["seed"], job.steps), "step": job.steps}
        assert sorted(p.name for p in folder.iterdir()) == [f"{job.steps}.safetensors", "manifest.json"]


def test_found_again_and_equal_jobs_done_once(tmp_path):
    cache = ArtifactCache(tmp_path)
    folders = run_jobs(cache, [walk(1), walk(2), walk(1)], "walks", block=4, parallel_from=10**9)
    assert folders[0] == folders[2] != folders[1] and len(RUN) == 20
    assert run_jobs(cache, [walk(2)], "walks", block=4, parallel_from=10**9) == folders[1:2] and len(RUN) == 20


def test_what_is_kept_on_the_way(tmp_path):
    (folder,) = run_jobs(ArtifactCache(tmp_path), [walk(1, output_steps=(2, 5, 10))], "walks", block=4, parallel_from=10**9)
    assert [load_output(folder, step)["place"] for step in (2, 5, 10)] == [plain(1, step) for step in (2, 5, 10)]


def test_other_steps_or_outputs_are_other_results(tmp_path):
    cache = ArtifactCache(tmp_path)
    todo = [walk(1), walk(1, 11), walk(1, output_steps=(3, 10))]
    assert len(set(run_jobs(cache, todo, "walks", block=20, parallel_from=10**9))) == 3


def test_a_stopped_job_goes_on_from_its_last_block_to_the_same_bits(tmp_path, monkeypatch):
    monkeypatch.setitem(STOP, 1, 8)
    with pytest.raises(KeyboardInterrupt):
        run_jobs(ArtifactCache(tmp_path), [walk(1)], "walks", block=3, parallel_from=10**9)
    assert max(step for _, step in RUN) == 8
    monkeypatch.delitem(STOP, 1)
    RUN.clear()
    (folder,) = run_jobs(ArtifactCache(tmp_path), [walk(1)], "walks", block=3, parallel_from=10**9)
    assert [step for _, step in RUN] == [7, 8, 9, 10]
    assert load_output(folder, 10)["place"] == plain(1, 10)


def test_a_job_whose_last_step_was_done_but_not_named_is_only_finished(tmp_path, monkeypatch):
    cache = ArtifactCache(tmp_path)
    finish = jobs.Artifact.finish

    def killed(self, *args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(jobs.Artifact, "finish", killed)
    with pytest.raises(KeyboardInterrupt):
        run_jobs(cache, [walk(1)], "walks", block=4, parallel_from=10**9)
    monkeypatch.setattr(jobs.Artifact, "finish", finish)
    RUN.clear()
    (folder,) = run_jobs(cache, [walk(1)], "walks", block=4, parallel_from=10**9)
    assert not RUN and load_output(folder, 10)["place"] == plain(1, 10)


@pytest.mark.parametrize("num_blocks", [[1], [3, 1, 7], [38, 60], [1, 1], [5, 1000], [*[19] * 18, 60]])
def test_blocks_are_evenly_spread_over_the_rounds(num_blocks):
    rounds = list(jobs._rounds(num_blocks))
    assert len(rounds) == max(num_blocks)
    for i, count in enumerate(num_blocks):
        own = [number for number, now in enumerate(rounds) if i in now]
        assert [rounds[number][i] for number in own] == list(range(1, count + 1))
        between = np.diff(own)
        assert count == 1 or between.max() - between.min() <= 1
    sizes = [len(now) for now in rounds]
    assert max(sizes) - min(sizes) <= 2


def test_in_a_round_the_longest_block_begins_first(tmp_path, monkeypatch):
    begun = []
    run_block = jobs._run_block

    def timed(number, folder, job, until, name, code):
        begun.append(number)
        return *run_block(number, folder, job, until, name, code)[:2], float(number), None

    monkeypatch.setattr(jobs, "_run_block", timed)
    run_jobs(ArtifactCache(tmp_path), [walk(1), walk(2), walk(3)], "walks", block=5, parallel_from=10**9)
    assert begun == [0, 1, 2, 2, 1, 0]


def test_the_cost_is_that_of_all_blocks(tmp_path, monkeypatch):
    ticks = iter(range(1000))
    monkeypatch.setattr(jobs.time, "monotonic", lambda: next(ticks))
    (folder,) = run_jobs(ArtifactCache(tmp_path), [walk(1, 9)], "walks", block=3, parallel_from=10**9)
    assert json.loads((folder / "manifest.json").read_text())["seconds"] == 3


def stopped(folder, monkeypatch, job):
    monkeypatch.setitem(STOP, 1, 8)
    with pytest.raises(KeyboardInterrupt):
        run_jobs(ArtifactCache(folder), [job], "walks", block=3, parallel_from=10**9)
    monkeypatch.delitem(STOP, 1)
    RUN.clear()
    (partial,) = folder.glob("*.partial")
    return partial


def cut(path, other):
    path.write_bytes(path.read_bytes()[:-3])


def exchanged(path, other):
    os.replace(other, path)


@pytest.mark.parametrize("file", [jobs.STATE, "2.safetensors"])
@pytest.mark.parametrize("harm, fault", [(cut, "is damaged"), (exchanged, "was written under other settings: artifact: ")])
@pytest.mark.parametrize("parallel_from", [0, 10**9])
def test_a_job_begins_again_where_its_files_are_damaged_or_anothers(tmp_path, monkeypatch, file, harm, fault, parallel_from):
    job = walk(1, output_steps=(2, 10))
    partial = stopped(tmp_path / "one", monkeypatch, job)
    other = stopped(tmp_path / "other", monkeypatch, walk(1, 11, output_steps=(2, 11)))
    harm(partial / file, other / file)
    with pytest.warns(ArtifactWarning, match=rf"partial: {file} {fault}.*; it is trained again"):
        (folder,) = run_jobs(ArtifactCache(tmp_path / "one"), [job], "walks", block=3, parallel_from=parallel_from)
    assert parallel_from == 0 or [step for _, step in RUN] == list(range(1, 11))
    assert [load_output(folder, step)["place"] for step in (2, 10)] == [plain(1, 2), plain(1, 10)]


def test_what_a_job_did_not_keep_is_named(tmp_path):
    (folder,) = run_jobs(ArtifactCache(tmp_path), [walk(1, output_steps=(2, 10))], "walks", block=3, parallel_from=10**9)
    with pytest.raises(ValueError, match=r"step: got 3; .* holds 10, 2"):
        load_output(folder, 3)
    other = folder.with_name("begin-0123456789abcdef")
    os.rename(folder, other)
    with pytest.raises(CheckpointError, match=r"artifact: 'begin-.*' there, 'begin-0123456789abcdef' here"):
        load_output(other, 2)


@pytest.mark.parametrize(
    "job, how, named",
    [
        (walk(1), {"block": 0}, "block: got 0"),
        (walk(1), {"workers": 0}, "workers: got 0"),
        (walk(1), {"workers": True}, "workers: got True"),
        (walk(1, 0), {}, "steps: got 0"),
        (walk(1, 10, (0, 10)), {}, r"output_steps: got \(0, 10\); allowed are steps from 1 to 10"),
        (walk(1, 10, (11,)), {}, r"output_steps: got \(11,\)"),
    ],
)
def test_a_job_that_could_not_be_done_is_refused_before_anything_is_written(tmp_path, job, how, named):
    with pytest.raises(ValueError, match=named):
        run_jobs(ArtifactCache(tmp_path), [walk(2), job], "walks", **{"block": 3, "parallel_from": 10**9, **how})
    assert not RUN and not [path for path in tmp_path.iterdir() if path.is_dir()]


def test_numpys_whole_numbers_are_as_good(tmp_path):
    cache = ArtifactCache(tmp_path)
    job, other = walk(1, 4, (2, 4)), walk(1, np.int64(4), (np.int64(2), np.int32(4)))
    how = {"block": np.int64(3), "parallel_from": 10**9, "workers": np.int64(-1)}
    assert run_jobs(cache, [other], "walks", **how) == run_jobs(cache, [job], "walks", **how)
    load_output(run_jobs(cache, [job], "walks", **how)[0], np.int64(2))


def square(x):
    RUN.append(("square", x))
    return {"y": x * x}


def square_but_not_seven(x):
    if x == 7:
        raise ValueError("seven")
    return square(x)


def test_a_cached_map_computes_what_is_missing_once(tmp_path):
    cache = ArtifactCache(tmp_path)
    assert [r["y"] for r in cached_map(cache, square, [{"x": x} for x in (2, 3, 2)], "squares", parallel=False)] == [4, 9, 4]
    assert [r["y"] for r in cached_map(cache, square, [{"x": x} for x in (3, 5)], "squares", parallel=False)] == [9, 25]
    assert RUN == [("square", 2), ("square", 3), ("square", 5)]
    assert [r["y"] for r in cached_map(cache, square, [{"x": x} for x in (2, 6, 7, 8)], "squares")] == [4, 36, 49, 64]
    assert cache.values(square, x=6) == {"y": 36} and len(RUN) == 3


def test_what_was_computed_before_an_error_is_kept(tmp_path):
    with pytest.raises(ValueError, match="seven"):
        cached_map(ArtifactCache(tmp_path), square_but_not_seven, [{"x": x} for x in (2, 7, 3)], "squares", parallel=False)
    assert ArtifactCache(tmp_path).values(square_but_not_seven, x=2) == {"y": 4} and RUN == [("square", 2)]


def test_a_parallel_map_keeps_the_order(tmp_path):
    assert parallel_map(divmod, [(7, 2), (9, 4), (1, 1)]) == [(3, 1), (2, 1), (1, 0)]
    assert parallel_map(divmod, [(7, 2)], "dividing", parallel=False) == [(3, 1)]


def test_a_worker_does_not_run_code_that_the_key_does_not_speak_of():
    code = ("wmlib.training.schedules", "another")
    with pytest.raises(RuntimeError, match="was edited while it was at work"):
        jobs._run_block(0, None, walk(2, 5), 5, "name", code)
    with pytest.raises(RuntimeError, match="was edited while it was at work"):
        jobs._timed(0, begin, {"seed": 2}, code)
    assert not RUN
