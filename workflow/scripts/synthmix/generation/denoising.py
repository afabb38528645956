"""The loop that trains every generator: deterministic, interruptible at any step, and never done twice.

What is random in a step is a function of the seed and the step's number: a resumed training equals one never stopped.
"""

import math
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from synthmix.interruption import Interruption
from synthmix.networks import engine
from synthmix.networks.measuring import DivergedError
from synthmix.networks.parallel import Team
from synthmix.store import Entry
from synthmix.training import arrays, restore, tensors


def optimise(
    network: nn.Module,
    loss_at: Callable[[int], Tensor],
    recipe: dict[str, Any],
    state: dict[str, Any] | None,
    real_images: int,
    entry: Entry,
    stop: Interruption,
    team: Team,
) -> dict[str, Any]:
    """Train with AdamW, a linear warm-up and clipped gradients.

    Args:
        network: on its device; parameters that require no gradient stay as they are. It has no random layers.
        loss_at: step -> the mean loss of the process's part of its batch, a scalar.
        recipe: `steps`, `batch_size`, `learning_rate`, `warmup_steps`, `gradient_clip`; `ema_decay` where the result is
            the moving average of the weights.
        state: what `entry` holds, unfinished; None to begin.
        real_images: how many it sees, for the facts.
        entry: its entry in the store.
        stop: when to save, and whether to stop.
        team: the processes that share the training; all of them call this, with networks from `team.shared` in
            `loss_at`.

    Raises:
        DivergedError: the loss is not finite.

    Returns:
        The finished state: `model` (arrays by name: the trained parameters), `history` (rows), `facts`.
    """
    from diffusers.training_utils import EMAModel  # a second that drawing images need not wait for

    steps, batch_size = recipe["steps"], recipe["batch_size"]
    named = {name: each for name, each in network.named_parameters() if each.requires_grad}
    parameters = list(named.values())
    decay = recipe.get("ema_decay") or 0.0
    average = EMAModel(parameters, decay=decay, use_ema_warmup=True, power=0.75, foreach=True)
    average.to(team.device)
    optimizer = torch.optim.AdamW(parameters, recipe["learning_rate"], weight_decay=0.0, fused=True)
    state = state or {"step": 0, "history": [], "seconds": 0.0, "sum": 0.0}
    if "model" in state:
        with torch.no_grad():
            for name, value in tensors(state["model"]).items():
                named[name].copy_(value)
        restore(optimizer, state["optimizer"])
        average.load_state_dict(tensors(state["average"]))
        average.to(team.device)
    every = max(1, steps // 20)
    total = torch.tensor(state["sum"], dtype=torch.float64, device=team.device)
    weight = team.weight(batch_size)
    started = time.monotonic() - state["seconds"]
    network.train()
    for step in range(state["step"], steps):
        for group in optimizer.param_groups:
            group["lr"] = recipe["learning_rate"] * min(1.0, (step + 1) / (recipe["warmup_steps"] + 1))
        loss = loss_at(step) * weight
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, recipe["gradient_clip"])
        optimizer.step()
        average.step(parameters)
        total += loss.detach().double()
        if (step + 1) % every == 0 or step + 1 == steps:
            since = step + 1 - (state["history"][-1]["step"] if state["history"] else 0)
            seconds = time.monotonic() - started
            row = {"step": step + 1, "seconds": round(seconds, 3), "loss": team.mean(total).item() / since}
            if not math.isfinite(row["loss"]):
                raise DivergedError(f"the loss is not finite by step {step + 1}: lower the generator's learning_rate")
            state["history"].append(row)
            total.zero_()
            left = seconds / (step + 1) * (steps - step - 1)
            rate = batch_size * (step + 1) / seconds
            if team.first:
                told = f"step {step + 1}/{steps} loss {row['loss']:.4f} {rate:.0f} images/s {left:.0f} s left"
                print(told, flush=True)
        if step + 1 < steps and stop.due():
            state |= {"step": step + 1, "seconds": time.monotonic() - started, "sum": team.mean(total).item()}
            if team.first:
                weights = {"model": arrays(named), "optimizer": arrays(optimizer.state_dict())}
                entry.save({**state, **weights, "average": arrays(average.state_dict())})
            stop.done()
    average.copy_to(parameters)
    seconds = time.monotonic() - started
    facts = {
        "steps": steps,
        "seconds": round(seconds, 3),
        "images_per_second": round(steps * batch_size / max(seconds, 1e-9), 1),
        "parameters": sum(each.numel() for each in parameters),
        "real_images": real_images,
    }
    result = {"done": True, "model": arrays(named), "history": state["history"], "facts": facts}
    if team.first:
        entry.save(result)
    return result


def noisy_batch(clean: Tensor, schedule: Any, random: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Of a clean batch (N, C, H, W): its noisy form at random times, those times (N,), and what is to be predicted."""
    times = torch.randint(schedule.config.num_train_timesteps, (len(clean),), generator=random)
    times, noise = (engine.send(each, clean.device) for each in (times, torch.randn(clean.shape, generator=random)))
    is_velocity = schedule.config.prediction_type == "v_prediction"
    wanted = schedule.get_velocity(clean, noise, times) if is_velocity else noise
    return schedule.add_noise(clean, noise, times), times, wanted
