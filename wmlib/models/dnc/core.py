"""The DNC as a network: controller, interface, memory, output.

Reading guide. `DNC._advance` is one step, five lines: the controller sees the input and what was read last, tells the memory
what to do, and gets new reads back. `DNC.forward` repeats it over time; the output layer sees hidden vector and reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from wmlib.models.dnc import fast
from wmlib.models.dnc.memory import LINKS, DNCState, Interface, Trace, access, interface_sizes
from wmlib.models.layers import check_sizes, draw_uniform, empty_linear, full_precision
from wmlib.models.recurrent import RecurrentCore, Shapes, reset_state


class DNC(RecurrentCore):
    """A Differentiable Neural Computer with one LSTM layer as controller.

    Args:
        input_size: D, length of an input vector.
        hidden_size: H, the controller's LSTM cells.
        num_slots: N, rows of the memory. No weight depends on it: `initial_state(batch, num_slots=...)` takes another number.
        word_size: W, numbers in a slot.
        num_heads: R, read heads.
        output_size: Y, length of an output vector; None returns [h; reads] itself (Y = H + R·W), for a head of your own.
        generator: CPU generator for the initial weights, U(-1/√n, 1/√n) with n = H for the controller as in PyTorch's LSTM,
            and n = the layer's inputs for interface and output as in its linear layer.
        link: "full", the paper's; "sparse", its top-K form; "none", no order of writing is kept, no read modes, heads find
            slots by content alone.
        link_size: K of the sparse link, at least 1; no other link looks at it.
        detach_addressing: True, no gradient passes through content and allocation weightings, so keys, strengths and free
            gates keep their first weights (the variant in Mufti's public code). False, every gradient but that of the sort
            order.
        fast: True, compiled steps (`wmlib.models.dnc.fast`) where they exist: on the CPU, for a full link or none, unless Numba
            is told to compile nothing (NUMBA_DISABLE_JIT=1).
            The results are the module's but for rounding. False, always the PyTorch code below, e.g. for second
            derivatives. May be changed later, as an attribute.
        biases: part of the interface -> the constant its bias starts at, e.g. {"allocation_gate": -3.0}: writes go where
            content points, until the network learns to allocate. Parts by the names in `Interface`.

    Raises:
        ValueError: a size that is no whole number above 0, an unknown link or part, no generator; in the call, see
            `RecurrentCore.forward`.

    Source: Graves et al. 2016 (Nature 538), Methods.
    Differs: interface and output layers have biases. Two small constants of 1e-6, see `content_weighting` and `allocation`.
        The memory starts at zeros (the paper's text does not say). One LSTM layer (the paper allows several).

    Example:
        >>> dnc = DNC(6, hidden_size=64, num_slots=16, word_size=16, output_size=1, generator=torch.Generator().manual_seed(0))
        >>> outputs, state = dnc(torch.zeros(7, 13, 6))
        >>> outputs.shape, state.memory.shape, sum(p.numel() for p in dnc.parameters())
        (torch.Size([7, 13, 1]), torch.Size([7, 16, 16]), 27033)
        >>> longer, _ = dnc(torch.zeros(7, 50, 6), dnc.initial_state(7, num_slots=128))
    """

    state_type = DNCState

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_slots: int,
        word_size: int,
        num_heads: int = 1,
        output_size: int | None = None,
        *,
        generator: torch.Generator,
        link: str = "full",
        link_size: int = 8,
        detach_addressing: bool = False,
        fast: bool = True,
        biases: Mapping[str, float] | None = None,
    ):
        super().__init__()
        input_size, hidden_size = check_sizes(input_size=input_size, hidden_size=hidden_size)
        num_slots, word_size = check_sizes(num_slots=num_slots, word_size=word_size)
        num_heads, link_size = check_sizes(num_heads=num_heads, link_size=link_size)
        if output_size is not None:
            (output_size,) = check_sizes(output_size=output_size)
        if link not in LINKS:
            raise ValueError(f"link is {link!r}; choose one of {', '.join(LINKS)}")
        self.biases = dict(biases or {})
        unknown = [name for name in self.biases if not interface_sizes(word_size, num_heads, link).get(name)]
        if unknown:
            known = ", ".join(interface_sizes(word_size, num_heads, link))
            raise ValueError(f"biases names {unknown[0]!r}, which this interface does not have; parts are {known}")
        self.input_size, self.hidden_size, self.num_slots = input_size, hidden_size, num_slots
        self.word_size, self.num_heads = word_size, num_heads
        self.output_size = output_size or hidden_size + num_heads * word_size
        self.link, self.link_size, self.detach_addressing, self.fast = link, link_size, detach_addressing, fast
        self.controller = empty_linear(input_size + num_heads * word_size + hidden_size, 4 * hidden_size)
        self.interface = empty_linear(hidden_size, sum(interface_sizes(word_size, num_heads, link).values()))
        self.output: nn.Module = nn.Identity()
        if output_size is not None:
            self.output = empty_linear(hidden_size + num_heads * word_size, output_size)
        self.reset_parameters(generator)

    def reset_parameters(self, generator: torch.Generator) -> None:
        """Draw all weights anew, and set the biases asked for."""
        draw_uniform(self.controller, self.hidden_size, generator)
        draw_uniform(self.interface, self.hidden_size, generator)
        draw_uniform(self.output, self.hidden_size + self.num_heads * self.word_size, generator)
        sizes = interface_sizes(self.word_size, self.num_heads, self.link)
        parts = dict(zip(sizes, self.interface.bias.detach().split(list(sizes.values())), strict=True))
        for name, value in self.biases.items():
            parts[name].fill_(value)

    def initial_state(self, batch_size: int | tuple[int, ...] = 1, num_slots: int | None = None) -> DNCState:
        """Return an empty memory.

        Args:
            batch_size: the leading axes, a number or a tuple.
            num_slots: N, if other than the one the DNC was made with.

        Returns:
            Zeros, in the dtype and on the device of the weights.
        """
        if num_slots is None:
            return self._zeros(batch_size, self._shapes(None))
        return self._zeros(batch_size, self._shapes_with(*check_sizes(num_slots=num_slots)))

    def _weight(self) -> Tensor:
        return self.controller.weight

    def _shapes(self, state: DNCState | None) -> Shapes:
        memory = getattr(state, "memory", None)
        slots = memory.shape[-2] if isinstance(memory, Tensor) and memory.ndim > 1 else 0
        return self._shapes_with(slots or self.num_slots)

    def _shapes_with(self, n: int) -> Shapes:
        r, w, h = self.num_heads, self.word_size, self.hidden_size
        m = 0 if self.link == "none" else n
        return (h,), (h,), (n, w), (n,), (m,), (m, m), (n,), (r, n), (r, w)

    def features(self, state: DNCState) -> dict[str, Tensor]:
        """Return `h` and `c`, each (..., H), and `reads`, the vectors read, (..., R·W)."""
        return {"h": state.h, "c": state.c, "reads": state.reads.flatten(-2)}

    @full_precision
    def forward(self, inputs: Tensor, state: DNCState | None = None, reset: Tensor | None = None, trace: bool = False) -> Any:
        """Run a sequence; arguments and results as in `RecurrentCore.forward`.

        With `trace=True` a third result tells what the memory did at every step, a `Trace`.
        """
        current: DNCState = self._checked_state(inputs, state, reset)
        if inputs.shape[-2] == 0:
            return self._without_steps(inputs, current, trace=trace)
        if self.fast and fast.COMPILED and inputs.device.type == "cpu" and self.link != "sparse":
            weights = self.controller.weight, self.controller.bias, self.interface.weight, self.interface.bias
            sequence, current, whole = fast.run(inputs, reset, weights, current, self.num_heads, self.detach_addressing, trace)
            return (self.output(sequence), current, whole) if trace else (self.output(sequence), current)
        features: list[Tensor] = []
        records: list[list[Tensor]] = []
        for t in range(inputs.shape[-2]):
            if reset is not None:
                current = reset_state(current, reset[..., t])
            current, record = self._advance(inputs[..., t, :], current)
            features.append(torch.cat([current.h, current.reads.flatten(-2)], -1))
            if trace:
                records.append([part.detach() for part in record])
        time = inputs.ndim - 2
        outputs = self.output(torch.stack(features, time))  # y = W_y h + W_r [r¹ … r^R]
        if not trace:
            return outputs, current
        return outputs, current, Trace(*(torch.stack(parts, time) for parts in zip(*records, strict=True)))

    def _advance(self, inputs: Tensor, state: DNCState) -> tuple[DNCState, Trace]:
        """Do one step: inputs (..., D)."""
        seen = torch.cat([inputs, state.reads.flatten(-2), state.h], -1)  # [χ; h], χ = [x; r¹ … r^R of the last step]
        gate_in, gate_keep, candidate, gate_out = self.controller(seen).chunk(4, -1)
        c = torch.sigmoid(gate_keep) * state.c + torch.sigmoid(gate_in) * torch.tanh(candidate)
        h = torch.sigmoid(gate_out) * torch.tanh(c)
        orders = Interface.parse(self.interface(h), self.word_size, self.num_heads, self.link)
        new, allocation = access(
            state._replace(h=h, c=c),
            orders,
            link=self.link,
            link_size=self.link_size,
            detach_addressing=self.detach_addressing,
        )
        gates = (orders.free_gates, orders.allocation_gate.squeeze(-1), orders.write_gate.squeeze(-1), orders.read_modes)
        return new, Trace(new.write, new.read, allocation, new.usage, *gates, new.link, new.memory)
