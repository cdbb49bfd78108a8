"""Time the DNC's fast path against its module, the PyPI package `dnc`, and PyTorch's LSTM: one table, everyone in turn.

`pytest tests/benchmarks/test_bench_dnc.py -s`, a few minutes. The peer needs `pip install --no-deps dnc` (it asks for packages
this benchmark does not use). One thread, float32, CPU time; the median of the turns. Training is forward, backward and a fused
Adam step. "peak" is the share of the machine's best matrix product (1024 cubed, timed in the same turns) that the arithmetic
of the equations would need.
"""

import statistics
import sys
import time
import types

import pytest
import torch

from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM

SIZES = [(256, 64, 4, 256), (64, 32, 4, 256), (16, 16, 1, 64)]  # N, W, R, H
INPUTS, TURNS, SECONDS = 6, 3, 0.2


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def peer(slots: int, width: int, heads: int, hidden: int):
    """The PyPI package; its two index libraries are for other memories than the one measured here."""
    for name in ("faiss", "pyflann"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["pyflann"].FLANN = object
    package = pytest.importorskip("dnc", reason="pip install --no-deps dnc")
    made = package.DNC(
        input_size=INPUTS, hidden_size=hidden, num_layers=1, nr_cells=slots, cell_size=width, read_heads=heads, gpu_id=-1
    )  # fmt: skip
    made.call = lambda inputs: made(inputs, (None, None, None), reset_experience=True)[0]
    return made


def contestants(slots, width, heads, hidden) -> dict:
    made = {
        "wmlib": DNC(INPUTS, hidden, slots, width, heads, INPUTS, generator=generator()),
        "module": DNC(INPUTS, hidden, slots, width, heads, INPUTS, generator=generator(), fast=False),
        "LSTM": LSTM(INPUTS, hidden, INPUTS, generator=generator()),
    }
    for core in made.values():
        core.call = lambda inputs, core=core: core(inputs)[0]
    return {**made, "dnc (PyPI)": peer(slots, width, heads, hidden)}


def trainer(core, inputs):
    optimizer = torch.optim.Adam(core.parameters(), 1e-4, fused=True)

    def run():
        optimizer.zero_grad()
        core.call(inputs).square().sum().backward()
        optimizer.step()

    return run


def inference(core, inputs):
    def run():
        with torch.no_grad():
            core.call(inputs)

    return run


def median_rates(jobs: dict) -> dict:
    """Calls a second of CPU time, everyone in turn."""
    rates = {name: [] for name in jobs}
    for job in jobs.values():
        job()
    for _ in range(TURNS):
        for name, job in jobs.items():
            count, start = 0, time.process_time()
            while (passed := time.process_time() - start) < SECONDS or not count:
                job()
                count += 1
            rates[name].append(count / passed)
    return {name: statistics.median(values) for name, values in rates.items()}


def flops(slots, width, heads, hidden) -> float:
    """Multiplications and additions of one step forward: the matrices, the memory, the link."""
    seen = INPUTS + heads * width + hidden
    interface = heads * width + 3 * width + 5 * heads + 3
    matrices = 4 * hidden * seen + hidden * interface + INPUTS * (hidden + heads * width)
    memory = slots * width * (2 * heads + 5)
    link = slots * slots * (2 * heads + 3)
    return 2 * (matrices + memory + link)


@pytest.mark.parametrize("steps", [13, 100])
def test_dnc_speed(steps):
    """Print the table; only that it could be made is tested."""
    torch.set_num_threads(1)
    square = torch.randn(1024, 1024, generator=generator())
    print(f"\nsequences of {steps} steps    training, sequences/s (times the peer)           inference, steps/s")
    for size in SIZES:
        for batch in (1, 16, 64):
            inputs = torch.randn(batch, steps, INPUTS, generator=generator())
            cores = contestants(*size)
            jobs = {("train", name): trainer(core, inputs) for name, core in cores.items()}
            jobs |= {("infer", name): inference(core, inputs) for name, core in cores.items()}
            rates = median_rates(jobs | {"product": lambda: torch.mm(square, square)})
            peak = rates["product"] * 2 * 1024**3
            cells = []
            for kind, unit, passes in (("train", batch, 3), ("infer", batch * steps, 1)):
                for name in cores:
                    times = rates[kind, name] / rates[kind, "dnc (PyPI)"]
                    cells.append(f"{name} {rates[kind, name] * unit:8.0f} ({times:5.1f})")
                share = rates[kind, "wmlib"] * batch * steps * flops(*size) * passes / peak
                cells.append(f"peak {share:4.0%} |")
                assert rates[kind, "wmlib"] > 0
            print(f"N={size[0]} W={size[1]} R={size[2]} H={size[3]} batch {batch}: ", *cells, flush=True)


def test_memory_of_a_long_sequence():
    """Print the largest memory a training step needs at T=500, N=256, batch 32, each in a process of its own."""
    import subprocess

    program = """
import resource, torch
from wmlib.models.dnc import DNC
torch.set_num_threads(1)
dnc = DNC(6, 256, 256, 64, 4, 6, generator=torch.Generator().manual_seed(0), fast={fast})
dnc(torch.zeros(1, 2, 6))[0].sum().backward()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
dnc(torch.randn({batch}, {steps}, 6))[0].sum().backward()
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
"""
    for fast, batch, steps in ((True, 32, 500), (False, 2, 50)):
        source = program.format(fast=fast, batch=batch, steps=steps)
        done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True)
        print(f"\n{'fast path' if fast else 'module'}, T={steps}, batch {batch}: {float(done.stdout):.0f} MiB")
