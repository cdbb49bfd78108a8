"""Time mixtures of Gaussians against torch.distributions.

`pytest tests/benchmarks/test_bench_mdn.py -s`, half a minute.

Wall time at the sizes of World Models. Both libraries take turns, so that a busy machine slows both; the table is of medians
over the turns.
"""

import statistics
import time

import pytest
import torch
import torch.distributions as D

from wmlib.models.mdn import Mixture

K = 5  # mixture components, as in World Models
Z = 64  # numbers of a latent vector
TURNS = 15


def raw_parameters(batch: int) -> torch.Tensor:
    return torch.randn(batch, 3 * K * Z, generator=torch.Generator().manual_seed(0))


def wmlib_mixture(raw: torch.Tensor) -> Mixture:
    return Mixture(*(part.unflatten(-1, (K, Z)) for part in raw.split(K * Z, -1)))


def torch_mixture(raw: torch.Tensor, temperature: float = 1.0) -> D.MixtureSameFamily:
    logits, means, log_stds = (part.unflatten(-1, (Z, K)) for part in raw.split(K * Z, -1))
    return D.MixtureSameFamily(
        D.Categorical(logits=logits / temperature, validate_args=False),
        D.Normal(means, log_stds.exp() * temperature**0.5, validate_args=False),
        validate_args=False,
    )


def density_cases(batch: int, backward: bool) -> dict:
    target = torch.randn(batch, Z, generator=torch.Generator().manual_seed(1))
    raw = raw_parameters(batch).requires_grad_(backward)

    def run(log_prob):
        raw.grad = None
        value = log_prob().mean()
        if backward:
            value.backward()

    return {
        "wmlib": lambda: run(lambda: wmlib_mixture(raw).log_prob(target)),
        "torch.distributions": lambda: run(lambda: torch_mixture(raw).log_prob(target).sum(-1)),
    }


def sample_cases(batch: int) -> dict:
    raw = raw_parameters(batch)
    generator = torch.Generator().manual_seed(2)
    return {
        "wmlib": lambda: wmlib_mixture(raw).sample(generator, 1.15),
        "torch.distributions": lambda: torch_mixture(raw, 1.15).sample(),
    }


CASES = {
    "log_prob, 6400": lambda: density_cases(6400, backward=False),
    "log_prob + gradient, 6400": lambda: density_cases(6400, backward=True),
    "log_prob + gradient, 100": lambda: density_cases(100, backward=True),
    "sample, 1": lambda: sample_cases(1),
    "sample, 64": lambda: sample_cases(64),
    "sample, 1024": lambda: sample_cases(1024),
}


@pytest.mark.parametrize("name", CASES)
def test_interleaved(benchmark, name):
    cases = CASES[name]()
    seconds = {library: [] for library in cases}
    repeats = 1 if "6400" in name else 10

    def turn():
        for library, call in cases.items():
            start = time.perf_counter()
            for _ in range(repeats):
                call()
            seconds[library].append((time.perf_counter() - start) / repeats)

    benchmark.pedantic(turn, rounds=TURNS, warmup_rounds=2)
    medians = {library: 1e3 * statistics.median(times) for library, times in seconds.items()}
    ratio = medians["torch.distributions"] / medians["wmlib"]
    benchmark.extra_info |= {**medians, "ratio": ratio}
    print(f"\n{name:28s}" + "".join(f"{library} {ms:8.3f} ms   " for library, ms in medians.items()) + f"{ratio:.1f}x")
