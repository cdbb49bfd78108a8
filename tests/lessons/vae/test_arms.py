"""The four losses, and the VAE of the paper's size."""

from types import SimpleNamespace

from wmlib.lessons.vae import arms
from wmlib.lessons.vae.pipeline import TrainingConfig
from wmlib.training.vae import PAPER, WEIGHTED

SETTINGS = SimpleNamespace(
    frames=700,
    latent_size=5,
    channels=2,
    batch_size=7,
    lr=0.01,
    decay=0.25,
    seeds=3,
    paper_seeds=2,
    paper_frames=3_000_000,
    paper_channels=32,
)


def test_the_two_changes_are_crossed():
    (paper, cheap), (weight, both) = list(arms.LOSSES.values())[:2], list(arms.LOSSES.values())[2:]
    assert paper == PAPER and both == WEIGHTED
    assert (cheap.gain, cheap.beta) == (paper.gain, both.beta) and (weight.gain, weight.cap) == (both.gain, both.cap)
    assert weight.beta == paper.beta and len({loss.kl_tolerance for loss in arms.LOSSES.values()}) == 1


def test_the_paper_s_loss_has_three_training_seeds_at_most():
    groups = arms.configs(SimpleNamespace(**{**vars(SETTINGS), "seeds": 5}))
    assert [len(group) for group in groups.values()] == [3, 5, 5, 5]
    assert all(config.objective == arms.LOSSES[name] for name, group in groups.items() for config in group)
    assert arms.seeds_in_words(groups) == "5 training seeds, 3 of the paper's loss"
    assert arms.seeds_in_words(arms.configs(SETTINGS)) == "3 training seeds"


def test_the_paper_s_size_is_the_paper_s():
    first, second = arms.paper_configs(SETTINGS)
    assert first == TrainingConfig(PAPER, 3_000_000, 0, 5, 32, 100, 1e-4, 0.0) and second.training_seed == 1
    assert first.steps == 30_000 and first.schedule(29_999) == 1e-4
    assert arms.paper_configs(SimpleNamespace(**{**vars(SETTINGS), "paper_seeds": 0})) == []
