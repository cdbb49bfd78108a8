"""CMA-ES against a slow plain copy of the tutorial, its invariances, its constants, and exact resuming."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.linalg import sqrtm

from wmlib.agents.cma_es import CMAES
from wmlib.agents.minimise import minimise
from wmlib.experiment import checkpoint
from wmlib.lessons.cma_es_toy.benchmark_functions import ellipsoid, rosenbrock, sphere


def search_at(N, seed=0, sigma=0.7, start=1.3, **options):
    return CMAES(np.full(N, start), sigma, rng=np.random.default_rng(seed), **options)


def step(search, function):
    x = search.ask()
    search.tell(x, function(x))
    return x


class PlainCMAES:
    """Figure 6 and table 1 of the tutorial, one sum at a time; matrix roots by SciPy, not by eigenvectors."""

    def __init__(self, m, sigma, lam, mu, rng):
        n = len(m)
        raw = [math.log(mu + 0.5) - math.log(i) for i in range(1, mu + 1)]
        self.w = [r / sum(raw) for r in raw]
        mu_eff = 1 / sum(w**2 for w in self.w)
        self.c_s = (mu_eff + 2) / (n + mu_eff + 5)
        self.d_s = 1 + 2 * max(0, math.sqrt((mu_eff - 1) / (n + 1)) - 1) + self.c_s
        self.c_c = (4 + mu_eff / n) / (n + 4 + 2 * mu_eff / n)
        self.c_1 = 2 / ((n + 1.3) ** 2 + mu_eff)
        self.c_mu = min(1 - self.c_1, 2 * (0.25 + mu_eff - 2 + 1 / mu_eff) / ((n + 2) ** 2 + mu_eff))
        self.chi = math.sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n))
        self.n, self.lam, self.mu, self.mu_eff, self.rng = n, lam, mu, mu_eff, rng
        self.m, self.sigma, self.C = np.array(m), sigma, np.eye(n)
        self.root, self.inverse_root = np.eye(n), np.eye(n)
        self.p_s, self.p_c = np.zeros(n), np.zeros(n)
        self.evals = self.eigen_evals = self.decompositions = self.stalls = 0

    def ask(self):
        z = self.rng.standard_normal((self.lam, self.n))
        return np.array([[self.m[j] + self.sigma * sum(self.root[j] * z[k]) for j in range(self.n)] for k in range(self.lam)])

    def tell(self, x, f):
        n, lam = self.n, self.lam
        best = sorted(range(lam), key=lambda k: f[k])[: self.mu]
        y = [(x[k] - self.m) / self.sigma for k in best]
        y_w = sum(w * y_i for w, y_i in zip(self.w, y, strict=True))
        self.m = self.m + self.sigma * y_w
        self.p_s = (1 - self.c_s) * self.p_s + math.sqrt(self.c_s * (2 - self.c_s) * self.mu_eff) * (self.inverse_root @ y_w)
        self.evals += lam
        norm = math.sqrt(sum(self.p_s**2))
        h = 1 if norm / math.sqrt(1 - (1 - self.c_s) ** (2 * self.evals / lam)) / self.chi < 1.4 + 2 / (n + 1) else 0
        self.stalls += 1 - h
        self.p_c = (1 - self.c_c) * self.p_c + h * math.sqrt(self.c_c * (2 - self.c_c) * self.mu_eff) * y_w
        C = np.empty((n, n))
        for i in range(n):
            for j in range(n):
                rank_one = self.p_c[i] * self.p_c[j] + (1 - h) * self.c_c * (2 - self.c_c) * self.C[i, j]
                rank_mu = sum(w * y_k[i] * y_k[j] for w, y_k in zip(self.w, y, strict=True))
                C[i, j] = (1 - self.c_1 - self.c_mu) * self.C[i, j] + self.c_1 * rank_one + self.c_mu * rank_mu
        self.C = C
        self.sigma *= math.exp((self.c_s / self.d_s) * (norm / self.chi - 1))
        if self.evals - self.eigen_evals > lam / (self.c_1 + self.c_mu) / n / 10:
            self.eigen_evals = self.evals
            self.decompositions += 1
            self.root = np.real(sqrtm(C))
            self.inverse_root = np.linalg.inv(self.root)


@pytest.mark.parametrize(
    ("N", "population", "parents", "sigma", "generations"),
    [
        (1, 5, 2, 0.7, 40),
        (2, 64, 16, 0.7, 40),
        (3, 7, 7, 0.7, 60),
        (7, 11, 5, 1e-3, 60),  # sigma must grow, so h_sigma is 0 at first
        (41, 6, 1, 0.7, 20),  # C is decomposed in every third generation
        (41, 17, 8, 1e-3, 12),  # h_sigma turns 0 just past its threshold
    ],
)
def test_equals_the_tutorial_generation_by_generation(N, population, parents, sigma, generations):
    function = rosenbrock if N > 1 else sphere
    ours = search_at(N, sigma=sigma, population=population, parents=parents)
    plain = PlainCMAES(np.full(N, 1.3), sigma, population, parents, np.random.default_rng(0))
    for _ in range(generations):
        x = ours.ask()
        np.testing.assert_allclose(x, plain.ask(), rtol=1e-10, atol=1e-10)
        ours.tell(x, function(x))
        plain.tell(x, function(x))
        for mine, theirs in [
            (ours.mean, plain.m),
            (ours.sigma, plain.sigma),
            (ours.covariance, plain.C),
            (ours.p_sigma, plain.p_s),
            (ours.p_c, plain.p_c),
        ]:
            np.testing.assert_allclose(mine, theirs, rtol=1e-10, atol=1e-10)
    assert plain.decompositions == (generations if parents > 1 else generations // 2)
    assert plain.stalls > 0 or sigma > 1e-3


@pytest.mark.parametrize(
    ("N", "parents", "expected"),
    [
        (2, 16, dict(mu_eff=9.179, c_c=0.566, c_sigma=0.691, c_1=0.0997, c_mu=0.5987, d_sigma=2.993, chi_N=1.254)),
        (1088, 16, dict(mu_eff=9.179, c_c=0.00367, c_sigma=0.01014, c_1=1.69e-6, c_mu=1.269e-5, d_sigma=1.010, chi_N=32.98)),
        (1088, 32, dict(mu_eff=17.62, c_sigma=0.01767, c_mu=2.681e-5)),
    ],
)
def test_constants_worked_out_by_hand_from_the_tutorial(N, parents, expected):
    search = search_at(N, population=64, parents=parents)
    for name, value in expected.items():
        assert getattr(search, name) == pytest.approx(value, rel=3e-3), name


def test_parents_as_a_number_and_as_a_fraction():
    assert search_at(2, population=64, parents=0.25).parents == 16
    np.testing.assert_array_equal(
        search_at(2, population=64, parents=0.25).weights, search_at(2, population=64, parents=16).weights
    )
    assert search_at(2, population=100, parents=0.29).parents == 29
    assert search_at(2, population=5, parents=0.01).parents == 1
    assert search_at(2, population=5, parents=1).parents == 1
    assert search_at(2, population=5, parents=1.0).parents == 5
    odd = search_at(2, population=7)  # equation (49): ln 4 - ln i, not ln 3.5 - ln i
    np.testing.assert_allclose(odd.weights, np.log([4, 2, 4 / 3]) / np.log([4, 2, 4 / 3]).sum())
    assert [search_at(N).population for N in (1, 2, 10, 40, 1088)] == [4, 6, 10, 15, 24]


class Rotated(np.random.Generator):
    """Draw the same z as `default_rng(seed)`, seen in a frame turned by Q."""

    def __init__(self, seed, Q):
        super().__init__(np.random.PCG64(seed))
        self.Q = Q

    def standard_normal(self, size):
        return super().standard_normal(size) @ self.Q.T


@pytest.mark.parametrize(("N", "generations"), [(2, 80), (5, 150), (19, 200)])
def test_rotation_of_the_frame_rotates_the_run(N, generations):
    """Step by step, to 1e-9 of sigma; rounding grows with the condition of C (1e6 at the end), so not for ever."""
    Q, _ = np.linalg.qr(np.random.default_rng(3).standard_normal((N, N)))
    straight = CMAES(np.full(N, 1.3), 0.7, rng=np.random.default_rng(8))
    turned = CMAES(Q @ np.full(N, 1.3), 0.7, rng=Rotated(8, Q))
    for _ in range(generations):
        sigma = straight.sigma
        x, x_turned = step(straight, ellipsoid), step(turned, lambda x: ellipsoid(x @ Q))
        np.testing.assert_allclose(x_turned @ Q, x, rtol=0, atol=1e-9 * sigma)
    np.testing.assert_allclose(Q.T @ turned.covariance @ Q, straight.covariance, atol=1e-9 * straight.covariance.max())
    assert straight.best_f < 1e-2 * ellipsoid(np.full(N, 1.3))  # the runs went somewhere


@pytest.mark.parametrize("transform", [lambda f: 3 * f + 7, np.sqrt, lambda f: -np.exp(-f / 100), lambda f: f**3])
def test_only_the_order_of_values_counts_to_the_bit(transform):
    plain, bent = search_at(5, seed=2), search_at(5, seed=2)
    for _ in range(40):
        np.testing.assert_array_equal(step(plain, rosenbrock), step(bent, lambda x: transform(rosenbrock(x))))
    np.testing.assert_array_equal(plain.covariance, bent.covariance)


def test_scale_of_the_space_scales_the_run_to_the_bit():
    plain = CMAES(np.full(5, 1.3), 0.7, rng=np.random.default_rng(2))
    wide = CMAES(np.full(5, 1.3) * 1024, 0.7 * 1024, rng=np.random.default_rng(2))  # a power of two: exact
    for _ in range(60):
        np.testing.assert_array_equal(step(plain, rosenbrock) * 1024, step(wide, lambda x: rosenbrock(x / 1024)))
    np.testing.assert_array_equal(plain.covariance, wide.covariance)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), N=st.sampled_from([1, 2, 3, 7]), P=st.sampled_from([2, 5, 11]), parents=st.floats(0.05, 1.0))
def test_covariance_stays_symmetric_positive_definite(data, N, P, parents):
    search = search_at(N, population=P, parents=parents)
    values = st.floats(allow_nan=False, min_value=-1e300)  # ties, extremes and +inf among them
    for f in data.draw(arrays(float, (23, P), elements=values)):
        search.tell(search.ask(), f)
        C = search.covariance
        np.testing.assert_array_equal(C, C.T)
        assert np.linalg.eigvalsh(C)[0] > 0
        assert 0 < search.sigma < np.inf


def test_covariance_that_rounding_made_singular_is_lifted():
    search = search_at(3)
    search._C = np.diag([1.0, 1.0, -1e-18])
    search._decompose()
    assert search._D[0] > 0 and "ConditionCov" in search.stop_reasons()
    np.testing.assert_allclose((search._B * search._D**2) @ search._B.T, search.covariance, atol=1e-15)


def test_looking_at_the_covariance_between_decompositions_changes_nothing():
    watched, alone = (search_at(41, population=6, parents=1) for _ in range(2))
    for _ in range(8):
        watched.covariance[:] = 0  # a copy
        watched.mean[:] = 0
        watched.stop_reasons()
        np.testing.assert_array_equal(step(watched, sphere), step(alone, sphere))


def test_order_of_the_solutions_does_not_matter():
    straight, shuffled = search_at(7), search_at(7)
    deal = np.random.default_rng(1)
    for _ in range(30):
        x = step(straight, rosenbrock)
        np.testing.assert_array_equal(x, shuffled.ask())
        x = x[deal.permutation(len(x))]
        shuffled.tell(x, rosenbrock(x))
    np.testing.assert_array_equal(straight.covariance, shuffled.covariance)


def test_ties_are_broken_by_place():
    tied, ranked = search_at(7, population=64), search_at(7, population=64)
    values = np.random.default_rng(0).integers(0, 4, 64)
    for _ in range(5):
        tied.tell(tied.ask(), values)
        ranked.tell(ranked.ask(), values + np.arange(64) / 64)
    np.testing.assert_array_equal(tied.covariance, ranked.covariance)


def test_what_is_handed_in_and_out_is_not_shared():
    search, twin = search_at(41, population=6, parents=1), search_at(41, population=6, parents=1)
    for _ in range(5):
        x = step(search, sphere)
        x[:] = 0
        step(twin, sphere)
        state = search.state_dict()
        for value in [*state.values(), *(update["rows"] for update in state["pending"])]:
            if isinstance(value, np.ndarray):
                value[:] = 0
    np.testing.assert_equal(search.state_dict(), twin.state_dict())


def test_solutions_may_be_repaired_and_put_in_by_hand():
    """Bounds by clipping: the optimum of the sphere at 0 lies outside [0.5, 3]^5; a good guess put in is used."""
    search = search_at(5, sigma=0.3, start=2.0)
    for _ in range(120):
        x = np.clip(search.ask(), 0.5, 3)
        search.tell(x, sphere(x))
    assert search.best_f == 5 * 0.25
    search = search_at(5, start=1.3)
    x = search.ask()
    x[3] = 0.0
    search.tell(x, sphere(x))
    assert search.best_f == 0 and np.abs(search.mean).max() < 1.3


def test_failed_solutions_rank_last():
    search, reference = search_at(3, population=8, parents=3), search_at(3, population=8, parents=3)
    for _ in range(20):
        x = reference.ask()
        f = sphere(x)
        reference.tell(x, f)
        search.ask()
        search.tell(x, np.where(f > np.sort(f)[2], np.inf, f))
    np.testing.assert_array_equal(search.covariance, reference.covariance)
    hopeless = search_at(3)
    hopeless.tell(hopeless.ask(), np.full(hopeless.population, np.inf))
    assert hopeless.best_f == np.inf and np.array_equal(hopeless.best_x, np.full(3, 1.3))


@pytest.mark.parametrize("bits", [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64])
@pytest.mark.parametrize(("N", "options"), [(2, {}), (1, {}), (41, dict(population=6, parents=1))])
def test_resumes_to_the_bit(N, options, bits, tmp_path):
    def new(seed):
        return CMAES(np.full(N, 1.3), 0.7, rng=np.random.Generator(bits(seed)), **options)

    whole = new(4)
    for _ in range(5):
        step(whole, sphere)
    assert len(whole._pending) == (1 if N == 41 else 0)  # 5 generations, decomposed after the 2nd and 4th
    state = whole.state_dict()
    checkpoint.save(tmp_path / "search.safetensors", state)
    resumed = new(99)
    resumed.load_state_dict(state)
    for _ in range(5):  # neither run may write into `state`
        np.testing.assert_array_equal(step(whole, sphere), step(resumed, sphere))
    stored = new(99)
    stored.load_state_dict(checkpoint.load(tmp_path / "search.safetensors"))
    for _ in range(5):
        step(stored, sphere)
    for other in (resumed, stored):
        np.testing.assert_equal(other.state_dict(), whole.state_dict())
        assert other.stop_reasons() == whole.stop_reasons()


def test_state_of_another_search_is_refused():
    state = search_at(3, population=8).state_dict()
    for other in (search_at(2, population=8), search_at(3, population=9), search_at(3, population=8, parents=0.25)):
        with pytest.raises(ValueError, match="state has"):
            other.load_state_dict(state)


@pytest.mark.parametrize(
    ("function", "N", "most"),
    [(sphere, 2, 500), (sphere, 40, 10_000), (ellipsoid, 10, 12_000), (rosenbrock, 10, 12_000)],
)
def test_reaches_the_target_in_the_usual_number_of_evaluations(function, N, most):
    """The limit is twice the median of 20 seeds: 252, 5108, 5760, 6125."""
    counts = []
    for seed in range(3):
        found = minimise(function, np.full(N, 0.5), 0.5, 2 * most, target=1e-9, rng=np.random.default_rng(seed))
        counts.append(found.evaluations if found.f <= 1e-9 else np.inf)
    assert np.median(counts) <= most


class ScalarRankOne(CMAES):
    """The slip p_c . p_c in place of p_c p_c^T: a number added to every element of C is c 1 1^T."""

    def _rank_one_direction(self):
        return np.full(self.p_c.size, np.sqrt(self.p_c @ self.p_c))


def test_scalar_rank_one_slip_learns_the_diagonal_instead_of_the_path():
    proper, slip = search_at(5), ScalarRankOne(np.full(5, 1.3), 0.7, rng=np.random.default_rng(0))
    for search in (proper, slip):
        step(search, ellipsoid)
    difference = slip.covariance - proper.covariance
    expected = slip.c_1 * (slip.p_c @ slip.p_c - np.outer(slip.p_c, slip.p_c))
    np.testing.assert_allclose(difference, expected, atol=1e-14)


def run_until_stopped(function, N=2, **options):
    search = search_at(N, **options)
    while not search.stop_reasons():
        step(search, function)
    return search.stop_reasons(), search


def test_reasons_to_stop():
    assert search_at(2).stop_reasons() == []
    assert "TolFun" in run_until_stopped(sphere)[0]
    reasons, search = run_until_stopped(lambda x: np.ones(len(x)), population=6)
    assert "EqualFunValues" in reasons and search.generation == 10 + math.ceil(30 * 2 / 6)
    reasons, search = run_until_stopped(lambda x: -x[:, 0], sigma=1e-3)
    assert "TolXUp" in reasons and 1e1 < search.sigma * np.sqrt(np.linalg.eigvalsh(search.covariance)[-1]) < 1e2
    tiny = run_until_stopped(lambda x: 1e30 * np.sqrt(sphere(x)), start=1e-3)[0]  # too steep for TolFun
    assert "TolX" in tiny
    offset = run_until_stopped(lambda x: 1e30 * np.sqrt(sphere(x - 1e6)), start=1e6 + 1)[0]
    assert offset == ["NoEffectAxis"]
    vast = CMAES([1e17, 1.0], 1.0, rng=np.random.default_rng(0))
    assert vast.stop_reasons() == ["NoEffectAxis", "NoEffectCoord"]
    assert "ConditionCov" in run_until_stopped(lambda x: 1e40 * x[:, 0] ** 2 + x[:, 1] ** 2, sigma=1e-2)[0]
    noise = np.random.default_rng(0)
    assert "Stagnation" in run_until_stopped(lambda x: noise.standard_normal(len(x)), N=11)[0]


def test_run_driven_to_death_says_so():
    search = search_at(2)
    with pytest.raises(FloatingPointError, match="sigma has become"):
        for _ in range(100_000):
            search.tell(search.ask(), np.arange(search.population))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(mean=np.ones((2, 2))), "mean must"),
        (dict(mean=[]), "mean must"),
        (dict(mean=[1.0, np.nan]), "mean must"),
        (dict(sigma=0.0), "sigma must"),
        (dict(sigma=np.inf), "sigma must"),
        (dict(sigma=[1.0, 2.0]), "sigma must"),
        (dict(population=1), "population must"),
        (dict(population=6.5), "population must"),
        (dict(parents=0), "parents must"),
        (dict(parents=7), "parents must"),
        (dict(parents=1.5), "parents must"),
        (dict(parents=0.0), "parents must"),
        (dict(rng=0), "rng must"),
    ],
)
def test_bad_arguments_are_refused(change, message):
    arguments = dict(mean=np.ones(2), sigma=1.0, population=6, rng=np.random.default_rng(0))
    with pytest.raises(ValueError, match=message):
        CMAES(**(arguments | change))


def test_bad_solutions_and_values_are_refused_and_leave_the_search_as_it_was():
    search = search_at(3, population=7)
    x = search.ask()
    before = search.state_dict()
    for solutions, fitness, message in [
        (x[:6], np.ones(6), r"solutions must have shape \(7, 3\)"),
        (x.T, np.ones(7), "solutions must have shape"),
        (np.where(x == x[0, 0], np.nan, x), np.ones(7), "solutions must be finite"),
        (x, np.ones((7, 1)), r"fitness must have shape \(7,\)"),
        (x, [1, 2, np.nan, 4, 5, 6, 7], "NaN"),
        (x, [1, 2, -np.inf, 4, 5, 6, 7], "-inf"),
    ]:
        with pytest.raises(ValueError, match=message):
            search.tell(solutions, fitness)
    np.testing.assert_equal(search.state_dict(), before)
