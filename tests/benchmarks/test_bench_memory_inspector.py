"""Time a redraw of the memory inspector.

`pytest tests/benchmarks/test_bench_memory_inspector.py -s`, a minute.

Wall time. The quick redraw of the sliders and whole new figures take turns, so that a busy machine slows all of them; the table
is of medians over the turns.
"""

import statistics
import time

import pytest
import torch

from wmlib.models.dnc import DNC
from wmlib.viz import memory_inspector as inspector
from wmlib.viz.figures import to_png
from wmlib.viz.memory_inspector.step import StepView

SIZES = {  # slots, word size, read heads, steps
    "N 16, W 16, T 13": (16, 16, 1, 13),
    "N 128, W 32, T 100": (128, 32, 2, 100),
    "N 256, W 64, T 300": (256, 64, 4, 300),
}
TURNS = 9


@pytest.mark.parametrize("name", SIZES)
def test_redraw(benchmark, name):
    num_slots, word_size, num_heads, steps = SIZES[name]
    generator = torch.Generator().manual_seed(0)
    dnc = DNC(6, 32, num_slots, word_size, num_heads, 1, generator=generator)
    inputs = torch.randn(steps, 6, generator=generator)
    with torch.no_grad():
        outputs, _, trace = dnc(inputs, trace=True)
    record = inspector.record(inputs, outputs, trace)
    view = StepView(inspector._arrays(record, None))
    calls = {
        "slider": lambda t: view.png(t, t % num_slots),
        "new figure": lambda t: to_png(inspector.draw_step(record, t, t % num_slots), dpi=96),
        "strip": lambda t: to_png(inspector.draw_strip(record), dpi=96),
    }
    seconds = {kind: [] for kind in calls}

    def turn():
        for kind, call in calls.items():
            start = time.perf_counter()
            call(len(seconds[kind]) % steps)
            seconds[kind].append(time.perf_counter() - start)

    benchmark.pedantic(turn, rounds=TURNS, warmup_rounds=1)
    medians = {kind: 1e3 * statistics.median(times) for kind, times in seconds.items()}
    benchmark.extra_info |= medians
    print(f"\n{name:20s}" + "".join(f"{kind} {ms:7.0f} ms   " for kind, ms in medians.items()))
