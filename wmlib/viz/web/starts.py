"""Where the page's dreams begin: first frames of the real game as latents, and the start of one game to look at beside a dream.

Reading guide. `record` plays and returns what `starts.json` holds, `read` reads that file. Only `record` needs the game.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import torch
from PIL import Image

from wmlib.agents.world_models_agent import WorldModelsAgent
from wmlib.envs.doom.take_cover import ENV_ID
from wmlib.experiment.atomic import write_atomically
from wmlib.viz.web.build import pack

FILE = Path(__file__).parent / "starts.json"
STARTS = 16
EVERY, PICTURES = 4, 60  # tics from one picture of the game to the next, and pictures
QUALITY = 80  # of the pictures, WebP


def read() -> dict[str, Any]:
    """Return what `record` gave when it was last written to `starts.json`."""
    return json.loads(FILE.read_text(encoding="utf-8"))


def unpack(packed: Mapping[str, Any]) -> np.ndarray:
    """Return what `build.pack` made of a tensor, float32 with its shape."""
    kind = np.float16 if packed["type"] == "half" else np.float32
    return np.frombuffer(base64.b64decode(packed["data"]), kind).astype(np.float32).reshape(packed["shape"])


def write(recorded: Mapping[str, Any]) -> None:
    """Replace `starts.json`."""
    text = json.dumps(recorded, indent=1) + "\n"
    write_atomically(FILE, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def record(agents: Mapping[str, WorldModelsAgent], player: str) -> dict[str, Any]:
    """Play the real game, and return where dreams may begin.

    Args:
        agents: by name; each encodes the same first frames, of the seeds 0 to 15.
        player: the name of the agent that plays the game that is kept: the first seed whose game lasts long enough for all
            pictures. Its first frame comes first among the starts.

    Returns:
        JSON: "starts" by name of the agent, mean and log variance, (16, 64) each; "game", its pictures in a row as WebP.

    Raises:
        ValueError: no game lasts long enough.
    """
    env = gymnasium.make(ENV_ID)
    firsts = [env.reset(seed=seed)[0] for seed in range(STARTS)]
    for seed in range(STARTS):
        frames = _play(env, agents[player], seed)
        if len(frames) == EVERY * PICTURES:
            break
    else:
        raise ValueError(f"player: {player} dies in all {STARTS} games before tic {EVERY * PICTURES}; let another agent play")
    env.close()
    firsts = [firsts[seed], *firsts[:seed], *firsts[seed + 1 :]]
    strip = Image.fromarray(np.concatenate(frames[::EVERY], 1))
    buffer = io.BytesIO()
    strip.save(buffer, "WEBP", quality=QUALITY, method=6)
    starts = {}
    for name, agent in agents.items():
        with torch.no_grad():
            posterior = agent.vae.encode(np.stack(firsts))
        starts[name] = {"mean": pack(posterior.mean.half()), "log_variance": pack(posterior.log_variance.half())}
    webp = base64.b64encode(buffer.getvalue()).decode()
    game = {"seed": seed, "every": EVERY, "pictures": PICTURES, "webp": webp}
    made = f"{ENV_ID}, seeds 0 to {STARTS - 1}: python -m wmlib web --record"
    return {"made": made, "starts": starts, "game": game}


def _play(env: gymnasium.Env, agent: WorldModelsAgent, seed: int) -> list[np.ndarray]:
    """Return the first frames of a game that an agent plays, uint8 (64, 64, 3) each; fewer if it dies before."""
    player = agent.vectorized(1)
    player.begin(0, np.random.default_rng(seed))
    frame, _ = env.reset(seed=seed)
    frames = [frame]
    while len(frames) < EVERY * PICTURES:
        frame, _, terminated, _, _ = env.step(player.act(frame[None])[0])
        if terminated:
            break
        frames.append(frame)
    return frames
