"""One tensor for all trained parameters and one for their gradients, of which every layer holds views.

    slot = arena.place(linear.weight, transposed=True)
    arena.settle()                   # the module's parameters are views of ``arena.values`` from now on
    slot.value, slot.gradient        # as the step wants them laid out

An optimizer so has one tensor to pass over, and a gradient is written where it is needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod
from typing import Any

import torch

# scvi-tools' models and what Lightning hands over have no types: ``Any``.

_ALIGNED = 16  # floats: a line of memory


class Slot:
    """One or more parameters of a module, one below the other and then, if so wished, transposed."""

    def __init__(self, parameters: tuple[torch.nn.Parameter, ...], transposed: bool, start: int) -> None:
        self.parameters = parameters
        self._transposed = transposed
        self.start = start
        first = parameters[0]
        rows = sum(parameter.shape[0] for parameter in parameters)
        shape = (rows, *first.shape[1:])
        self._shape = tuple(reversed(shape)) if transposed else shape
        self.size = prod(shape)
        self.value = self.gradient = torch.empty(0)  # until the arena is settled

    def view(self, flat: torch.Tensor) -> torch.Tensor:
        """This slot's part of one of the arena's tensors, laid out as the step wants it."""
        return flat[self.start : self.start + self.size].view(self._shape)

    def parts(self, flat: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """The same, one view for each parameter, in the parameter's own shape."""
        whole = self.view(flat)
        whole = whole.t() if self._transposed else whole
        parts: tuple[torch.Tensor, ...] = torch.split(whole, [p.shape[0] for p in self.parameters])
        return parts


class Arena:
    def __init__(self) -> None:
        self._slots: list[Slot] = []
        self._size = 0
        self.values = self.gradients = torch.empty(0)

    def place(self, *parameters: torch.nn.Parameter, transposed: bool = False) -> Slot:
        slot = Slot(parameters, transposed, self._size)
        self._slots.append(slot)
        self._size += -(-slot.size // _ALIGNED) * _ALIGNED
        return slot

    def settle(self) -> None:
        """Give every parameter its place in the arena, on the device where it is."""
        like = self._slots[0].parameters[0].data
        self.values, self.gradients = like.new_zeros(self._size), like.new_zeros(self._size)
        for slot in self._slots:
            for parameter, place in zip(slot.parameters, slot.parts(self.values), strict=True):
                parameter.data = place.copy_(parameter.data)
            slot.value, slot.gradient = slot.view(self.values), slot.view(self.gradients)

    def each(self, flat: torch.Tensor) -> Iterator[tuple[torch.nn.Parameter, torch.Tensor]]:
        """Every parameter with its part of ``flat``, which is laid out as ``values``."""
        for slot in self._slots:
            yield from zip(slot.parameters, slot.parts(flat), strict=True)


def make_ordinary(module: Any) -> None:
    """Give every parameter contiguous memory of its own again, as a module has it that was never laid out."""
    for parameter in module.parameters():
        parameter.data = parameter.data.clone(memory_format=torch.contiguous_format)
