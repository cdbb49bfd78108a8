"""What the tests of lesson 05 share: a run with an empty cache, and made-up episodes with a VAE and its latents."""

import numpy as np
import pytest
import torch

from wmlib.experiment import records
from wmlib.experiment.run import Run
from wmlib.lessons.vizdoom_dream import latents
from wmlib.lessons.vizdoom_dream.controllers import EvolutionConfig
from wmlib.lessons.vizdoom_dream.pipeline import EncodedEpisodes, WorldModelTraining
from wmlib.models.specs import CoreConfig
from wmlib.models.vae import VAE
from wmlib.models.world_model import WorldModelConfig
from wmlib.rollouts import Rollouts, store
from wmlib.rollouts.store import Episode

Z, H = 3, 5
SMALL = WorldModelTraining(WorldModelConfig(CoreConfig("lstm", H), Z), rows=4 * 6 * 3, batch_size=4, seq_len=6)


@pytest.fixture
def lstm():
    """A small world model with an LSTM, and its training of three steps."""
    return SMALL


@pytest.fixture
def dnc():
    """The same with a DNC."""
    core = CoreConfig("dnc", H, num_slots=3, word_size=2, num_heads=1)
    return WorldModelTraining(WorldModelConfig(core, Z), SMALL.rows, batch_size=4, seq_len=6)


@pytest.fixture
def evolution():
    """A small evolution."""
    return EvolutionConfig(names=("z", "h"), generations=6, population=5, trials=2, max_steps=7)


def write_episodes(folder, episodes, seed=0):
    """Write episodes of random frames and 8 to 10 actions; every other one ends with a death."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True)

    def play(observe, length):
        for _ in range(length + 1):
            observe(rng.integers(256, size=(64, 64, 3), dtype=np.uint8))
        return Episode([np.int64(i % 3) for i in range(length)], [1.0] * length, length % 2 == 0)

    plays = [lambda observe, n=n: play(observe, 8 + n % 3) for n in range(episodes)]
    manifest = {"episodes": episodes, "shard_episodes": 100}
    store.write_shard(folder, 0, manifest, (64, 64, 3), np.zeros((), np.int64), plays)
    records.write(folder / "manifest.json", manifest)
    return Rollouts(folder)


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """A run, and thirteen encoded episodes in its cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("WMLIB_OUT", str(tmp_path_factory.mktemp("dream")))
        run = Run("05_vizdoom_dream", "smoke", 1, "cpu")
    data = write_episodes(run.cache.path / "episodes-0" / "episodes", 13)
    vae = VAE(generator=torch.Generator().manual_seed(0), latent_size=Z, channels=1).eval()
    return run, EncodedEpisodes(vae, run.cached_folder(latents.encode_frames, data, vae, run.device))


@pytest.fixture(scope="session")
def data(world):
    """The episodes of `world`, with their frames."""
    return Rollouts(world[0].cache.path / "episodes-0" / "episodes")
