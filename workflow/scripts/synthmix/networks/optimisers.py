"""What of a network is trained, and how fast: optimisers, frozen parameters, learning rates by layer."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

BACKBONE, HEAD = "backbone.", "head."  # how names of parameters begin in a network of that form


def optimiser(model: nn.Module, recipe: dict[str, Any], width: int) -> torch.optim.Optimizer:
    """The optimiser of a recipe, of the parameters that require a gradient.

    `width_scaled` multiplies the learning rate by the model's width, `layer_decay` and `head_rate` as `rates` says.
    """
    rate = recipe["learning_rate"] * (width if recipe.get("width_scaled") else 1)
    decay = recipe.get("weight_decay") or 0.0
    factors = rates(_names(model), recipe)
    groups: dict[float, list[nn.Parameter]] = {}
    for parameter, factor in zip(model.parameters(), factors, strict=True):
        if parameter.requires_grad:
            groups.setdefault(factor, []).append(parameter)
    trained = [{"params": parameters, "lr": rate * factor} for factor, parameters in groups.items()]
    if recipe["optimizer"] == "sgd":
        momentum = recipe.get("momentum") or 0.0
        return torch.optim.SGD(trained, rate, momentum, weight_decay=decay, fused=True)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe["optimizer"]]
    return kind(trained, rate, weight_decay=decay, fused=True)


def rates(names: Sequence[str], recipe: Mapping[str, Any]) -> list[float]:
    """What the learning rate of each parameter is multiplied by.

    `layer_decay` to the power of the number of layers behind the parameter's own (Clark et al. 2020, arXiv:2003.10555,
    section 3.4), times `head_rate` in the head. A layer is a numbered part of the network, such as a block or a stage,
    or else a module with parameters of its own; layers are in the order of their definition, and the head is one.

    Raises:
        ValueError: `head_rate` for a network without a head.
    """
    head = recipe.get("head_rate") or 1.0
    if head != 1 and not any(name.startswith(HEAD) for name in names):
        raise ValueError("head_rate of the recipe: the network has no part `head`: delete head_rate")
    layers = [_layer(name) for name in names]
    order = {layer: position for position, layer in enumerate(dict.fromkeys(layers))}
    decay = recipe.get("layer_decay") or 1.0
    behind = [len(order) - 1 - order[layer] for layer in layers]
    return [decay**n * (head if name.startswith(HEAD) else 1.0) for n, name in zip(behind, names, strict=True)]


def freeze(model: nn.Module, prefixes: Sequence[str]) -> list[nn.Module]:
    """Take the parameters whose names begin with one of the prefixes out of training.

    A prefix is whole parts of a name: `backbone.layer1` is no prefix of `backbone.layer10.weight`.

    Returns:
        The modules that are frozen as a whole. They belong in evaluation mode, so that their batch norms keep their
        statistics and their dropout is off.

    Raises:
        ValueError: no parameter's name begins with a prefix, or no parameter is left.
    """
    names, parameters = _names(model), list(model.parameters())
    for prefix in prefixes:
        found = [p for name, p in zip(names, parameters, strict=True) if f"{name}.".startswith(f"{prefix}.")]
        if not found:
            there = ", ".join(dict.fromkeys(_part(name, prefix.count(".") + 1) for name in names))
            raise ValueError(f"freeze of the recipe: no parameter's name begins with {prefix!r}: there are {there}")
        for parameter in found:
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in parameters):
        raise ValueError(f"freeze of the recipe: {', '.join(prefixes)} leaves nothing to train: shorten the list")
    return [module for module in model.modules() if _is_frozen(module)] if prefixes else []


def _is_frozen(module: nn.Module) -> bool:
    parameters = list(module.parameters())
    return bool(parameters) and not any(parameter.requires_grad for parameter in parameters)


def _names(model: nn.Module) -> list[str]:
    """Names of a model's parameters within its network."""
    return [name.removeprefix("network.") for name, _ in model.named_parameters()]


def _part(name: str, depth: int) -> str:
    return ".".join(name.split(".")[:depth])


def _layer(name: str) -> str:
    """The layer that a parameter belongs to: its name up to the first part that ends in a digit, else its module's."""
    if name.startswith(HEAD):
        return HEAD
    parts = name.split(".")
    numbered = (depth for depth, part in enumerate(parts, 1) if re.search(r"\d$", part))
    return _part(name, next(numbered, len(parts) - 1))
