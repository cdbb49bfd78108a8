"""A world model on small pictures: the next frame, the reward and the end, from what was seen and done, around any core.

Reading guide. `FrameModel.forward` is the whole model: a convolution and a normalised linear layer make a vector of each frame,
the core (feed-forward, LSTM or DNC) remembers, and three heads answer: `_decode` paints the next frame, `_outcomes` says reward
and end. `loss` compares them with what happened. Dreaming is in `wmlib/agents/frame_dreams.py`.

Axes: a batch B, then time T, then a frame's C planes of H x W.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from wmlib.models.layers import check_sizes, conv2d, full_precision, linear
from wmlib.models.recurrent import State
from wmlib.models.specs import CoreConfig, make_core

CHANNELS = 16  # of the convolutions
CONTEXT = 8  # planes in which the core's vector is shown to the decoder
KEEP = 3.0  # logit by which a pixel starts as what it is
RARE = 10.0  # how much more a step counts that ends an episode


class FramePrediction(NamedTuple):
    """Hold what a model expects of each step."""

    frames: Tensor  # logits of the next frame's values, (B, T, C, H, W)
    reward: Tensor  # (B, T)
    done: Tensor  # logit that this action ends the episode, (B, T)


class FrameLosses(NamedTuple):
    """Hold means over the steps that count, scalars."""

    total: Tensor  # the loss
    frames: Tensor  # cross-entropy of a frame, nats
    reward: Tensor  # squared error, steps that end an episode weighted
    done: Tensor  # cross-entropy, ends weighted


class FrameModel(nn.Module):
    """Predict the next frame, the reward and the end of the episode from frames and actions up to now.

    Three details decide whether anything is learnt in a few hundred updates, whatever the core: the decoder is convolutional
    and starts as "nothing changes" (logits that keep each pixel, last layer zero); the encoder's vector is normalised; and
    reward and end see the *predicted* frame. The chosen action comes after the core: the core remembers, and each action has
    an output of its own. With the action among the inputs, "is this the cue's door?" has no gradient to begin with.

    Args:
        core: which memory, a `CoreConfig`.
        shape: C, H, W of a frame.
        num_actions: A.
        vector_size: length of the vector that a frame becomes.
        generator: CPU generator for the initial weights.

    Raises:
        ValueError: a size that is no whole number above 0, no generator; in the call, wrong shapes.

    Source: ours; the loop that it serves is Mufti, Penkov & Ramamoorthy 2019 (arXiv 1906.07248), whose model's layers are not
        known. Residual logits and the normalisation: measured, see notebook 07.

    Example:
        >>> model = FrameModel(CoreConfig("lstm"), (3, 6, 6), 4, generator=torch.Generator().manual_seed(0))
        >>> prediction, state = model(torch.zeros(2, 5, 3, 6, 6), torch.zeros(2, 5, dtype=torch.int64))
        >>> prediction.frames.shape, prediction.reward.shape
        (torch.Size([2, 5, 3, 6, 6]), torch.Size([2, 5]))
    """

    def __init__(
        self,
        core: CoreConfig,
        shape: tuple[int, int, int],
        num_actions: int,
        vector_size: int = 64,
        *,
        generator: torch.Generator,
    ):
        super().__init__()
        channels, height, width = check_sizes(channels=shape[0], height=shape[1], width=shape[2])
        self.num_actions, vector_size = check_sizes(num_actions=num_actions, vector_size=vector_size)
        self.shape = (channels, height, width)
        self.encoder = conv2d(channels, CHANNELS, 3, generator)
        self.vector = linear(CHANNELS * height * width, vector_size, generator)
        self.norm = nn.LayerNorm(vector_size)
        self.core = make_core(core, vector_size + self.num_actions, generator=generator)
        self.context = linear(self.core.output_size, CONTEXT, generator)
        self.first = conv2d(channels + self.num_actions + CONTEXT, CHANNELS, 3, generator)
        self.second = conv2d(CHANNELS, CHANNELS, 3, generator)
        self.last = conv2d(CHANNELS, channels, 1, generator)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]  # it has one
        self.keep = nn.Parameter(torch.tensor(KEEP))
        self.look = conv2d(2 * channels, CHANNELS, 3, generator)
        self.outcomes = linear(2 * CHANNELS + self.core.output_size, 2 * self.num_actions, generator)

    @full_precision
    def forward(
        self,
        frames: Tensor,
        actions: Tensor,
        state: State = None,
        before: Tensor | None = None,
        heard: Tensor | None = None,
    ) -> tuple[FramePrediction, State]:
        """Predict the outcome of each step.

        Args:
            frames: float (B, T, C, H, W), values in [0, 1].
            actions: int64 (B, T), the action taken at each frame.
            state: of the core, from the last call; None starts an episode.
            before: int64 (B,), the action before the first frame; None or -1: none is known.
            heard: bool (B,), where the heads hear the core; elsewhere they get zeros for its answer. None: everywhere.

        Returns:
            the prediction, and the core's state after the last frame.
        """
        self._check(frames, actions)
        memory, state = self.remember(frames, actions, state, before)
        if heard is not None:
            memory = memory * heard.to(memory.dtype).view(-1, 1, 1)
        logits = self._decode(frames, actions, memory)
        reward, done = self._outcomes(frames, logits, actions, memory)
        return FramePrediction(logits, reward, done), state

    def remember(self, frames: Tensor, actions: Tensor, state: State, before: Tensor | None) -> tuple[Tensor, State]:
        """Return what the core answers to each frame, (B, T, Y), and its state after the last; that action is not seen."""
        return self.core(self.core_inputs(frames, actions, before), state)

    def core_inputs(self, frames: Tensor, actions: Tensor, before: Tensor | None = None) -> Tensor:
        """Return what the core sees of each frame, (B, T, D): the frame's vector, and the action before; see `forward`."""
        flat = self.encoder(frames.flatten(0, 1)).relu().flatten(1)
        vectors = self.norm(self.vector(flat)).view(*frames.shape[:2], -1)
        known = torch.full_like(actions[:, 0], -1) if before is None else before
        previous = torch.cat([known.unsqueeze(1), actions[:, :-1]], 1)
        shown = F.one_hot(previous + 1, self.num_actions + 1)[..., 1:].to(frames.dtype)
        return torch.cat([vectors, shown], -1)

    def see(self, frames: Tensor, before: Tensor, state: State) -> tuple[Tensor, State]:
        """Let the core see one frame: frames (B, C, H, W), before int64 (B,); returns its answer (B, Y) and its state."""
        memory, state = self.remember(frames.unsqueeze(1), before.unsqueeze(1), state, before)
        return memory.squeeze(1), state

    def outcome(self, frames: Tensor, memory: Tensor, actions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predict one step from frames (B, C, H, W), the core's answer (B, Y) and actions (B,).

        Returns:
            logits of the next frames, (B, C, H, W); reward and logit of the end, (B,).
        """
        now = frames.unsqueeze(1)
        chosen = actions.unsqueeze(1)
        logits = self._decode(now, chosen, memory.unsqueeze(1))
        reward, done = self._outcomes(now, logits, chosen, memory.unsqueeze(1))
        return logits.squeeze(1), reward.squeeze(1), done.squeeze(1)

    def _decode(self, frames: Tensor, actions: Tensor, memory: Tensor) -> Tensor:
        planes = torch.cat([F.one_hot(actions, self.num_actions).to(frames.dtype), self.context(memory)], -1)
        planes = planes.flatten(0, 1)[..., None, None].expand(-1, -1, *self.shape[1:])
        flat = frames.flatten(0, 1)
        hidden = self.first(torch.cat([flat, planes], 1)).relu()
        change = self.last(self.second(hidden).relu())
        return (change + self.keep * (2 * flat - 1)).view(frames.shape)

    def _outcomes(self, frames: Tensor, logits: Tensor, actions: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        seen = self.look(torch.cat([frames, logits.sigmoid()], 2).flatten(0, 1)).relu()
        pooled = torch.cat([seen.amax((-2, -1)), seen.mean((-2, -1))], -1).view(*actions.shape, -1)
        outputs = self.outcomes(torch.cat([pooled, memory], -1)).view(*actions.shape, 2, self.num_actions)
        chosen = outputs.gather(-1, actions[..., None, None].expand(*actions.shape, 2, 1)).squeeze(-1)
        return chosen[..., 0], chosen[..., 1]

    def _check(self, frames: Tensor, actions: Tensor) -> None:
        if frames.ndim != 5 or tuple(frames.shape[2:]) != self.shape or frames.shape[:2] != actions.shape:
            sizes = ", ".join(map(str, self.shape))
            raise ValueError(
                f"frames {tuple(frames.shape)}, actions {tuple(actions.shape)}: they must be (B, T, {sizes}) and (B, T)"
            )


def loss(prediction: FramePrediction, frames: Tensor, reward: Tensor, done: Tensor, mask: Tensor) -> FrameLosses:
    """Compare a prediction with what happened.

    Args:
        prediction: of `FrameModel`.
        frames: float (B, T, C, H, W), the frames that followed.
        reward: float (B, T).
        done: bool (B, T): this action ended the episode.
        mask: bool (B, T): the steps that count, at least one.
    """
    weight = mask.to(reward.dtype)
    count = weight.sum()
    pixels = F.binary_cross_entropy_with_logits(prediction.frames, frames, reduction="none").sum((-3, -2, -1))
    rare = weight * torch.where(done, RARE, 1.0)
    ends = F.binary_cross_entropy_with_logits(prediction.done, done.to(reward.dtype), reduction="none")
    of_frames = (weight * pixels).sum() / count
    of_reward = (rare * (prediction.reward - reward).square()).sum() / count
    of_done = (rare * ends).sum() / count
    return FrameLosses(of_frames + of_reward + of_done, of_frames, of_reward, of_done)
