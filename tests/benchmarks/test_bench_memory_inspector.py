"""Time a redraw of the memory inspector: `pytest tests/benchmarks/test_bench_memory_inspector.py -s`.

The quick redraw of the sliders and a whole new figure take turns, so that a busy machine slows both.
"""

import statistics
import time

import pytest
import torch

from wmlib.models.dnc import DNC
from wmlib.viz import memory_inspector as inspector
from wmlib.viz.figures import to_png
from wmlib.viz.memory_inspector.step import StepView

SIZES = {"N 16, W 16, T 13": (16, 16, 1, 13), "N 128, W 32, T 100": (128, 32, 2, 100), "N 256, W 64, T 300": (256, 64, 4, 300)}
TURNS = 9


@pytest.mark.parametrize("name", SIZES)
def test_redraw(benchmark, name):
    slots, width, heads, steps = SIZES[name]
    generator = torch.Generator().manual_seed(0)
    dnc = DNC(6, 32, slots, width, heads, 1, generator=generator)
    inputs = torch.randn(steps, 6, generator=generator)
    with torch.no_grad():
        outputs, _, trace = dnc(inputs, trace=True)
    record = inspector.record(inputs, outputs, trace)
    view = StepView(inspector._arrays(record, None))
    calls = {
        "slider": lambda t: view.png(t, t % slots),
        "new figure": lambda t: to_png(inspector.draw_step(record, t, t % slots), dpi=96),
        "strip": lambda t: to_png(inspector.draw_strip(record), dpi=96),
    }
    seconds = {what: [] for what in calls}

    def turn():
        for what, call in calls.items():
            start = time.perf_counter()
            call(len(seconds[what]) % steps)
            seconds[what].append(time.perf_counter() - start)

    benchmark.pedantic(turn, rounds=TURNS, warmup_rounds=1)
    medians = {what: 1e3 * statistics.median(times) for what, times in seconds.items()}
    benchmark.extra_info |= medians
    print(f"\n{name:20s}" + "".join(f"{what} {ms:7.0f} ms   " for what, ms in medians.items()))
