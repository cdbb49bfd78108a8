"""Time the DNC's fast path against its module, the PyPI package `dnc`, and PyTorch's LSTM; measure its memory.

`pytest tests/benchmarks/test_bench_dnc.py -s`, some minutes; `-k 13` is the half with short sequences. The peer needs
`pip install --no-deps dnc` (it asks for packages this benchmark does not use).

One thread, float32, CPU time; all take turns, and the table is of medians over the turns. Training is forward, backward and a
fused Adam step. "peak" is the proportion of the machine's best matrix product (1024 cubed, timed in the same turns) that the
arithmetic of the equations would need.
"""

import os
import statistics
import subprocess
import sys
import time
import types
from collections.abc import Callable
from math import isqrt
from pathlib import Path
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

from wmlib.models.dnc import DNC
from wmlib.models.lstm import LSTM


class Size(NamedTuple):
    """Sizes of a DNC, in the letters of the paper."""

    N: int  # slots
    W: int  # word size
    R: int  # read heads
    H: int  # hidden size


SIZES = [Size(256, 64, 4, 256), Size(64, 32, 4, 256), Size(16, 16, 1, 64)]
INPUTS = 6
TURNS = 3
SECONDS = 0.2  # of CPU time, a turn


class Core(NamedTuple):
    """A network, and what maps inputs (B, T, D) to outputs with it."""

    network: nn.Module
    forward: Callable[[Tensor], Tensor]


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def peer(size: Size) -> Core:
    """The PyPI package; its two index libraries are for other memories than the one measured here."""
    for name in ("faiss", "pyflann"):
        sys.modules.setdefault(name, types.ModuleType(name))
    sys.modules["pyflann"].FLANN = object
    package = pytest.importorskip("dnc", reason="pip install --no-deps dnc")
    network = package.DNC(
        input_size=INPUTS,
        hidden_size=size.H,
        num_layers=1,
        nr_cells=size.N,
        cell_size=size.W,
        read_heads=size.R,
        gpu_id=-1,
    )
    return Core(network, lambda inputs: network(inputs, (None, None, None), reset_experience=True)[0])


def all_cores(size: Size) -> dict[str, Core]:
    networks = {
        "wmlib": DNC(INPUTS, size.H, size.N, size.W, size.R, INPUTS, generator=generator()),
        "module": DNC(INPUTS, size.H, size.N, size.W, size.R, INPUTS, generator=generator(), fast=False),
        "LSTM": LSTM(INPUTS, size.H, INPUTS, generator=generator()),
    }
    cores = {name: Core(network, lambda inputs, network=network: network(inputs)[0]) for name, network in networks.items()}
    return {**cores, "dnc (PyPI)": peer(size)}


def training(core: Core, inputs: Tensor) -> Callable[[], None]:
    optimizer = torch.optim.Adam(core.network.parameters(), 1e-4, fused=True)

    def run():
        optimizer.zero_grad()
        core.forward(inputs).square().sum().backward()
        optimizer.step()

    return run


def inference(core: Core, inputs: Tensor) -> Callable[[], None]:
    def run():
        with torch.no_grad():
            core.forward(inputs)

    return run


def median_speeds(jobs: dict) -> dict:
    """Return the calls per second of CPU time; all take turns."""
    speeds = {name: [] for name in jobs}
    for job in jobs.values():
        job()
    for _ in range(TURNS):
        for name, job in jobs.items():
            count, start = 0, time.process_time()
            while (passed := time.process_time() - start) < SECONDS or not count:
                job()
                count += 1
            speeds[name].append(count / passed)
    return {name: statistics.median(values) for name, values in speeds.items()}


def interface_size(size: Size) -> int:
    return size.R * size.W + 3 * size.W + 5 * size.R + 3


def flops(size: Size) -> float:
    """Multiplications and additions of one step forward: the matrices, the memory, the link."""
    N, W, R, H = size
    matrices = 4 * H * (INPUTS + R * W + H) + H * interface_size(size) + INPUTS * (H + R * W)
    memory = N * W * (2 * R + 5)
    link = N * N * (2 * R + 3)
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
            cores = all_cores(size)
            jobs = {("train", name): training(core, inputs) for name, core in cores.items()}
            jobs |= {("infer", name): inference(core, inputs) for name, core in cores.items()}
            speeds = median_speeds(jobs | {"product": lambda: torch.mm(square, square)})
            peak = speeds["product"] * 2 * 1024**3
            cells = []
            for kind, unit, passes in (("train", batch, 3), ("infer", batch * steps, 1)):
                for name in cores:
                    ratio = speeds[kind, name] / speeds[kind, "dnc (PyPI)"]
                    cells.append(f"{name} {speeds[kind, name] * unit:8.0f} ({ratio:5.1f})")
                proportion = speeds[kind, "wmlib"] * batch * steps * flops(size) * passes / peak
                cells.append(f"peak {proportion:4.0%} |")
                assert speeds[kind, "wmlib"] > 0
            print(f"N={size.N} W={size.W} R={size.R} H={size.H} batch {batch}: ", *cells, flush=True)


MEMORY_OF_A_STEP = """
import re
from pathlib import Path
import torch
from wmlib.models.dnc import DNC

def kib(field):
    return int(re.search(field + r":\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

torch.set_num_threads(1)
dnc = DNC({inputs}, {H}, {N}, {W}, {R}, {inputs}, generator=torch.Generator().manual_seed(0), fast={fast})
dnc(torch.zeros(1, 2, {inputs}))[0].sum().backward()  # loads the compiled steps
resident, highest = kib("VmRSS"), kib("VmHWM")
dnc(torch.randn({batch}, {steps}, {inputs}))[0].sum().backward()
assert kib("VmHWM") > highest, "the step needs less than loading did: nothing was measured"
print((kib("VmHWM") - resident) / 1024)
"""


def fast_path_mib(size: Size, batch: int, steps: int) -> float:
    """Add up the buffers of the fast path: what lies there when the way back begins, float32, the large ones.

    A step of a sequence keeps gates (4H), [reads; h] twice (2 (RW + H), for the way back and for the output layer), c (H),
    7 + 5R rows and the sorted order of the slots ((8 + 5R) N) and the interface vector. Memory and link (NW + N²) are kept
    every √T-th step. On the way back come the gradients of gates, interface vectors and [reads; h] (twice).
    """
    N, W, R, H = size
    seen = R * W + H
    forward = 4 * H + 2 * seen + H + (8 + 5 * R) * N + interface_size(size)
    backward = 4 * H + interface_size(size) + 2 * seen
    memories = (steps - 1) // isqrt(steps) * (N * W + N * N)
    return 4 * batch * (steps * (forward + backward) + memories) / 2**20


def module_mib(size: Size, batch: int, steps: int) -> float:
    """Add up what autograd keeps of the module: at each step memory and link, and the factor that each is multiplied with."""
    return 4 * batch * steps * 2 * (size.N * size.W + size.N * size.N) / 2**20


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of a process is read from Linux's /proc")
@pytest.mark.parametrize(
    ("fast", "batch", "steps", "by_hand"), [(True, 32, 500, fast_path_mib), (False, 2, 50, module_mib)], ids=["fast", "module"]
)
def test_memory_of_a_long_sequence(fast, batch, steps, by_hand):
    """Print the largest memory of a training step at N=256, W=64, R=4, H=256, and what the buffers need.

    Each is measured in a process of its own: its highest resident memory (VmHWM) during the step, less what was resident before
    (VmRSS). The figure of `resource.getrusage` would not do: a new process inherits that of the process that starts it. The
    allocator is told to give freed blocks back at once, or the module's number would depend on how they are reused.

    By hand, the fast path at T=500 and batch 32 needs 981 MiB: 16,000 steps of 12,462 floats, and 22 times 32 memories with
    links of 81,920 floats. Measured: 979 MiB. The module at T=50 and batch 2 needs 62 MiB: 100 steps of 163,840 floats, and
    many small tensors beside them. Measured: 84 MiB.
    """
    size = SIZES[0]
    program = MEMORY_OF_A_STEP.format(inputs=INPUTS, **size._asdict(), fast=fast, batch=batch, steps=steps)
    environment = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"}
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    measured, expected = float(process.stdout), by_hand(size, batch, steps)
    name = "fast path" if fast else "module"
    print(f"\n{name}, T={steps}, batch {batch}: {measured:,.0f} MiB, buffers by hand {expected:,.0f} MiB")
    assert 0.9 * expected < measured < 1.5 * expected
