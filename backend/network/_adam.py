"""Adam over an arena: torch's own arithmetic, in one pass over one tensor."""

from __future__ import annotations

from typing import Any

import torch

from ._arena import Arena

_BETAS = (0.9, 0.999)  # torch's defaults, which scvi-tools leaves


class Adam:
    """Keeps the moments of ``arena``'s parameters. Parameters outside of it stay as they are."""

    def __init__(self, arena: Arena, weight_decay: float, eps: float) -> None:
        self._arena = arena
        self._weight_decay = weight_decay
        self._eps = eps
        self._mean, self._square = torch.zeros_like(arena.values), torch.zeros_like(arena.values)
        self._lr = 0.0
        self._steps = torch.zeros((), device=arena.values.device, dtype=torch.float32)

    @property
    def n_parameters(self) -> int:
        return self._arena.values.numel()

    def step(self, lr: float) -> None:
        self.begin(lr)
        self.move(0, self.n_parameters)

    def begin(self, lr: float) -> None:
        """A step whose parameters ``move`` moves, part by part, each as soon as its gradient is there."""
        self._steps += 1
        self._lr = lr

    def move(self, start: int, end: int) -> None:
        arena = self._arena
        values, gradients, mean, square = (
            flat[start:end] for flat in (arena.values, arena.gradients, self._mean, self._square)
        )
        torch._fused_adam_(
            [values],
            [gradients],
            [mean],
            [square],
            [],
            [self._steps],
            lr=self._lr,
            beta1=_BETAS[0],
            beta2=_BETAS[1],
            weight_decay=self._weight_decay,
            eps=self._eps,
            amsgrad=False,
            maximize=False,
        )

    def state_dict(self, parameters: list[torch.nn.Parameter], lr: float) -> dict[str, Any]:
        """As ``torch.optim.Adam(parameters).state_dict()`` has it: those without a gradient have no state."""
        number = {id(parameter): i for i, parameter in enumerate(parameters)}
        state = {}
        moments = zip(self._arena.each(self._mean), self._arena.each(self._square), strict=True)
        for (parameter, mean), (_, square) in moments:
            state[number[id(parameter)]] = {
                "step": self._steps.clone(),
                "exp_avg": mean,
                "exp_avg_sq": square,
            }
        group = {
            "lr": lr,
            "betas": _BETAS,
            "eps": self._eps,
            "weight_decay": self._weight_decay,
            "params": list(range(len(parameters))),
        }
        return {"state": state if self._steps.item() else {}, "param_groups": [group]}

    def load_state_dict(self, parameters: list[torch.nn.Parameter], state_dict: dict[str, Any]) -> None:
        number = {id(parameter): i for i, parameter in enumerate(parameters)}
        for flat, name in ((self._mean, "exp_avg"), (self._square, "exp_avg_sq")):
            for parameter, place in self._arena.each(flat):
                kept = state_dict["state"].get(number[id(parameter)])
                if kept is not None:
                    place.copy_(kept[name])
                    self._steps.fill_(float(kept["step"]))
