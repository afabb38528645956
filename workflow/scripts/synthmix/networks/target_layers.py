"""Where class activation maps are taken from a network: its last layer that still knows where in the image it is."""

import math

import torch
from torch import Tensor, nn

# Layers that move or repeat what another layer has found: a map is taken before them.
PASSED_OVER = (
    nn.Identity,
    nn.Softmax,
    nn.modules.dropout._DropoutNd,
    nn.modules.pooling._AvgPoolNd,
    nn.modules.pooling._MaxPoolNd,
    nn.modules.pooling._AdaptiveAvgPoolNd,
    nn.modules.pooling._AdaptiveMaxPoolNd,
)
NORMS = (nn.LayerNorm, nn.RMSNorm)


def as_map(output: Tensor) -> Tensor:
    """What a layer gives for square images, as maps (N, C, H, W), contiguous.

    Tokens (N, T, C) are the patches row by row, behind those that stand for no place, such as the class token, which
    are dropped. Outputs (N, H, W, C), as in Swin transformers, are known by their two equal sides.
    """
    if output.dim() == 3:
        side = math.isqrt(output.shape[1])
        output = output[:, output.shape[1] - side**2 :].unflatten(1, (side, side)).permute(0, 3, 1, 2)
    elif output.shape[1] == output.shape[2] != output.shape[3]:
        output = output.permute(0, 3, 1, 2)
    return output.contiguous()


def find(network: nn.Module, image: Tensor) -> tuple[str, nn.Module]:
    """The layer of a network to take maps from, with its name.

    Of a convolutional network, the last module whose output is a map of more than one row and column, poolings passed
    over: its last stage, as a rule. Of a transformer, the last layer norm of whose patches the logits still depend on:
    where the class token is read, what later layers do to patches changes nothing, and that is the first norm of the
    last block; where patches are averaged, the norm before that.

    Args:
        network: float images (N, C, H, W) in, logits out; in evaluation mode.
        image: one of them, (1, C, H, W).

    Raises:
        ValueError: no layer has such an output, as in a multilayer perceptron.
    """
    outputs: list[tuple[str, nn.Module, Tensor]] = []

    def record(name: str, module: nn.Module) -> torch.utils.hooks.RemovableHandle:
        return module.register_forward_hook(lambda _, inputs, output: outputs.append((name, module, output)))

    handles = [record(name, module) for name, module in network.named_modules() if name]
    try:
        largest = network(image).max()
    finally:
        for handle in handles:
            handle.remove()
    for name, module, output in reversed(outputs):
        if _has_places(module, output):
            (gradient,) = torch.autograd.grad(largest, output, retain_graph=True, allow_unused=True)
            if gradient is not None and as_map(gradient).any():
                return name, module
    raise ValueError("cam: no layer of the network gives a map of more than one row and column: leave the model out")


def _has_places(module: nn.Module, output: object) -> bool:
    if not isinstance(output, Tensor) or isinstance(module, PASSED_OVER) or not output.requires_grad:
        return False
    if output.dim() != 4 and not (output.dim() == 3 and isinstance(module, NORMS)):
        return False
    return min(as_map(output).shape[2:]) > 1
