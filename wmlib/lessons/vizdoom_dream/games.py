"""Stages of the Take Cover dream that ask the real game: tests, recordings, new experience, and what agents look at.

Reading guide. `agent` says in plain values who plays (`published`: one whose weights are kept in `wmlib.weights`); `Player` of
`wmlib.agents.world_models_agent` does it. `games` lets scripted players or agents play the same games; `record` keeps what was seen;
`experience_of` makes of an agent's games the episodes from which a next round learns; `seeing` asks recorded games whether the
player looks at fireballs.
"""

import contextlib
import functools
import io
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from joblib import Parallel, delayed, parallel_config

from wmlib import weights
from wmlib.agents import linear_controller as controller
from wmlib.agents import world_models_agent as player
from wmlib.lessons.vizdoom_dream import occlusion as seeing_study
from wmlib.agents.world_models_agent import Player
from wmlib.envs.doom import engine as doom
from wmlib.envs.doom import take_cover
from wmlib.envs.doom import scripted as take_cover_baselines
from wmlib.experiment import checkpoint, seeding
from wmlib.experiment.progress import progress
from wmlib.experiment.run import Run
from wmlib.models import vae
from wmlib.lessons.vae import measures as vae_study
from wmlib.models.vae import VAE
from wmlib.models.world_model import WorldModel
from wmlib.rollouts import Rollouts, collection, joined
from wmlib.rollouts import vectorized as together
from wmlib.lessons.vizdoom_dream import pipeline as dream
from wmlib.training.jobs import quiet_workers
from wmlib.lessons.vizdoom_dream.pipeline import BUTTONS, Breeding, Model, Sight

ENV = "wmlib/TakeCover-v0"
LANES = 8  # games side by side in a process
GAME_CODE = [doom, take_cover, take_cover_baselines, collection, together, vae, controller, player, *dream.MODEL_CODE]
RAW = {"env_kwargs": {"shrunk": False}, "prepare": take_cover.shrink, "lanes": LANES}  # frames are shrunk in batches


def agent(sight: Sight, memory: Path, model: Model, hand: Path, plan: Breeding, tried: int | None = None) -> Callable:
    """Return a finished agent, for `games`, `record`, `seeing`: its VAE, folders of world model and controller.

    Args:
        tried: number of a mean on the controller's `trail`; None: the best of them, which is the agent.
    """
    eye = sight.folder / f"{sight.fit.marks[-1]}.safetensors"
    own = {} if tried is None else {"tried": tried}
    return functools.partial(
        crew, sight=str(eye), latent=sight.fit.latent, vae_width=sight.fit.width, memory=str(memory),
        model=asdict(model), hand=str(hand), names=list(plan.names), **own,
    )  # fmt: skip


def published(eye: str, mind: str, hand: str) -> Callable:
    """Return an agent whose V, M and C are kept in `wmlib.weights`, by their names there, for `games` and `record`."""
    digests = [weights.load(name)[1]["sha256"] for name in (eye, mind, hand)]  # so that its games are those of these weights
    return functools.partial(kept, eye=eye, mind=mind, hand=hand, digests=digests)


def kept(lanes: int, *, eye: str, mind: str, hand: str, digests: Sequence[str]) -> Player:
    """Return the player that `published` describes, for so many games side by side; the digests only name its games."""
    torch.set_num_threads(1)
    (sees, _), (foretells, _), (acts, entry) = (weights.load(name) for name in (eye, mind, hand))
    return Player(sees, foretells, acts, entry["settings"]["names"], BUTTONS, lanes)


def crew(lanes: int, *, names: Sequence[str], **who) -> Player:
    """Return the player that `agent` describes, for so many games side by side."""
    eye, mind, hand = parts(**who)
    return Player(eye, mind, hand, names, BUTTONS, lanes)


def parts(
    sight: str, latent: int, vae_width: int, memory: str, model: dict, hand: str, tried: int | None = None
) -> tuple[VAE, WorldModel, torch.Tensor]:
    """Return V, M and C of an agent."""
    return _parts(sight, latent, vae_width, memory, tuple(model.items()), hand, tried)


@functools.lru_cache(maxsize=4)
def _parts(sight: str, latent: int, width: int, memory: str, model: tuple, hand: str, tried: int | None):
    torch.set_num_threads(1)
    eye = VAE(generator=torch.Generator(), latent=latent, width=width)
    eye.load_state_dict(checkpoint.load(sight))
    mind, bred = dream.load(Path(memory), Model(**dict(model)), latent), dream.bred(Path(hand))
    own = bred["weights"] if tried is None else bred["trail"][tried]
    return eye.eval(), mind, torch.from_numpy(own).float()


def games(run: Run, policies: Sequence[Callable], count: int, name: str) -> list[np.ndarray]:
    """Let players play the real game; return the tics each survived, int64 (count,), the same games for all.

    Args:
        policies: `agent`, or a scripted one of `take_cover_baselines`.
        count: games.
        name: which games; other names, other games.
    """
    seed = seeding.entropy(run.seed, "games", name) % 2**31
    with quiet_workers():
        if len(policies) > 2:
            # a process a player: were their games shared out one player after the other, all would wait for each one's longest
            with parallel_config(backend=run.backend, n_jobs=-1):
                tasks = [delayed(_play_silently)(run, policy, count, seed) for policy in policies]
                for _ in progress(Parallel(return_as="generator_unordered")(tasks), "players", len(tasks)):
                    pass
        # found again here, so that this run's books say what came from the cache
        return [_play(run, policy, count, seed, backend=run.backend) for policy in policies]


def _play(run: Run, policy: Callable, count: int, seed: int, **settings) -> np.ndarray:
    def make() -> list:
        return [collection.score(ENV, policy, count, seed, **settings, **_lanes(policy)).lengths]

    return run.cached("games", make, GAME_CODE, policy=_named(policy), count=count, games=seed)[0]


def _play_silently(run: Run, policy: Callable, count: int, seed: int) -> None:
    """Play in this process, without a bar: the bar of all players is the caller's."""
    with contextlib.redirect_stderr(io.StringIO()):
        _play(run, policy, count, seed, workers=1)


def record(run: Run, policy: Callable, count: int, name: str = "recorded", shard: int = 5) -> Rollouts:
    """Let a player play, and keep what it saw and did.

    Args:
        count: games.
        name: which games: none of the tests', nor of the episodes that the first models learn from.
        shard: games in a shard.
    """
    seed = seeding.entropy(run.seed, "games", name) % 2**31

    def make(folder: Path) -> None:
        with quiet_workers():
            own = {"backend": run.backend, **_lanes(policy)}
            collection.collect(folder / "episodes", ENV, policy, count, seed, shard_episodes=shard, **own)

    settings = {"seed": seed, "policy": _named(policy), "count": count, "shard": shard}
    return Rollouts(run.cache.folder("recorded", make, settings, GAME_CODE) / "episodes")


def experience_of(run: Run, policy: Callable, before: Rollouts, round_: int) -> Rollouts:
    """Return the episodes of a next round: those before, and after them as many games of an agent as there were at first."""
    first = before.manifest.get("joined", [before.manifest])[0]
    new = record(run, policy, first["episodes"], f"round {round_}", first["shard_episodes"])
    made = run.cache.folder(
        "joined", lambda folder: joined.join(folder / "episodes", [before, new]),
        {"parts": [part.folder.parent.name for part in (before, new)]}, [joined],
    )  # fmt: skip
    return Rollouts(made / "episodes")


def another_round(
    run: Run,
    sights: Sequence[Sight],
    agents: Sequence[Callable],
    models: Sequence[Model],
    plans: Sequence[Breeding],
    number: int,
) -> tuple[list[Sight], list[Callable]]:
    """Learn anew from all episodes so far and as many games of the agents; return what sees now, and the new agents.

    Args:
        sights, agents: of each complete run, what there is.
        models, plans: of each, what is made.
        number: of the round, from 1; other numbers, other games.

    Source: Mufti, Penkov & Ramamoorthy 2019, the Neural Computer Agent: collect with the current policy, learn, dream, repeat.
    """
    grown = [experience_of(run, player, sight.data, number) for player, sight in zip(agents, sights, strict=True)]
    seen = dream.sights(run, len(grown), grown)
    minds = list(zip(dream.train(run, seen, models), models, strict=True))
    hands = dream.breed(run, seen, minds, plans)
    return seen, [agent(*each) for each in zip(seen, *zip(*minds, strict=True), hands, plans, strict=True)]


def seeing(run: Run, policy: Callable, count: int) -> dict[str, np.ndarray]:
    """Ask whether a player looks: counts by game of `seeing_study`; those of `occlusion` only for an agent.

    Returns:
        (count, classes) each: counted, away, towards; asked, ball, patch, push; (count, 4) each: tics, deaths.
    """
    played = record(run, policy, count)

    def make() -> list[dict]:
        frames = played.frames(np.arange(0, len(played), max(1, len(played) // 500)))
        background = frames.mean(0).round().astype(np.uint8)
        return [_seen(played, i, policy, background) for i in range(count)]

    code = [*GAME_CODE, vae_study, seeing_study]
    by_game = run.cached("seeing", make, code, games=played.folder.parent.name, policy=_named(policy))
    return {name: np.stack([game[name] for game in by_game]) for name in by_game[0]}


def _seen(played: Rollouts, number: int, policy: Callable, background: np.ndarray) -> dict[str, np.ndarray]:
    rows = played.episode(number)[:-1]  # at the last row nothing is done
    frames, actions = played.frames(rows), played.actions[rows]
    balls = seeing_study.balls(frames)
    found = {**seeing_study.dodging(balls, actions), **seeing_study.danger(balls.count, bool(played.terminated[rows[-1]]))}
    if _is_agent(policy):
        who = dict(policy.keywords)
        names = who.pop("names")
        asked = seeing_study.occlusion(*parts(**who), names, frames, BUTTONS[torch.from_numpy(actions)], background)
        found |= {"asked": asked.pop("counted"), **asked}
    return found


def _is_agent(policy: Callable) -> bool:
    return getattr(policy, "func", None) is crew


def _lanes(policy: Callable) -> dict:
    """Return how a player is best let play: an agent's networks think of several games at once."""
    return RAW if getattr(policy, "func", None) in (crew, kept) else {}


def _named(policy: Callable) -> dict:
    """Say who plays, in plain values: folders by their names, which say what they were made with."""
    if not isinstance(policy, functools.partial):
        return {"policy": policy.__name__}
    own = {k: "/".join(Path(v).parts[-2:]) if k in ("sight", "memory", "hand") else v for k, v in policy.keywords.items()}
    return {"policy": policy.func.__name__, **own}
