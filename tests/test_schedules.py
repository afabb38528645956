"""Lengths of trainings, and their learning rates step by step."""

import pytest
import torch

from synthmix.networks.schedules import Schedule, budget, rate_factor, validation_interval

EPOCHS, STEPS = {"epochs": 4, "batch_size": 8}, {"steps": 40, "batch_size": 8}


@pytest.mark.parametrize(("recipe", "steps"), [({"steps": 9}, 9), ({"epochs": 3}, 9), ({"epochs": 1}, 3)])
def test_the_budget_in_steps(recipe, steps):
    assert budget({**recipe, "batch_size": 8}, 21) == steps


def test_the_cosine_falls_from_one_to_zero():
    factors = [rate_factor({"schedule": "cosine"}, step, 100) for step in range(101)]
    assert factors[0] == 1
    assert factors[50] == pytest.approx(0.5)
    assert factors[100] == pytest.approx(0)
    assert factors == sorted(factors, reverse=True)


def test_the_rate_rises_over_the_warm_up():
    factors = [rate_factor({"schedule": "constant", "warmup_steps": 4}, step, 100) for step in range(6)]
    assert factors == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0, 1.0])


@pytest.mark.parametrize("count", [EPOCHS, STEPS])
def test_steps_are_those_of_pytorch(count):
    """In epochs of ten steps where the recipe counts epochs; else in steps."""
    every, per_epoch = (2, 10) if count is EPOCHS else (20, 10)
    recipe = {**count, "schedule": "step", "step": {"every": every, "gamma": 0.1}}
    optimizer = torch.optim.SGD([torch.zeros(1)], 1.0)
    usual = torch.optim.lr_scheduler.StepLR(optimizer, every, 0.1)
    schedule = Schedule(recipe, 40, per_epoch)
    for step in range(40):
        assert schedule.factor(step) == pytest.approx(usual.get_last_lr()[0])
        if count is STEPS or (step + 1) % per_epoch == 0:
            optimizer.step()
            usual.step()
    assert schedule.factor(39) == pytest.approx(0.1)


def test_a_plateau_lowers_the_rate_after_so_many_validations_and_goes_on_from_its_state():
    recipe = {**EPOCHS, "schedule": "plateau", "plateau": {"factor": 0.25, "patience": 2}, "warmup_steps": 1}
    losses = [1.0, 0.9, 0.9, 0.9, 0.9, 0.8, 0.81, 0.82, 0.83, 0.7]
    # the third without a lower loss is one too many; the warm-up is over after the first step
    expected = [1, 1, 1, 1, 0.25, 0.25, 0.25, 0.25, 0.0625, 0.0625]
    for interrupted in (False, True):
        schedule, found = Schedule(recipe, 40, 10), []
        assert schedule.factor(0) == 0.5
        for loss in losses:
            if interrupted:
                state, schedule = schedule.state(), Schedule(recipe, 40, 10)
                schedule.restore(state)
            schedule.after_validation({"selection_loss": loss})
            found.append(schedule.factor(5))
        assert found == expected


@pytest.mark.parametrize(
    ("recipe", "steps"),
    [
        ({**EPOCHS, "schedule": "cosine"}, 4),
        ({**EPOCHS, "schedule": "plateau"}, 10),
        ({**STEPS, "schedule": "plateau"}, 4),
        ({**EPOCHS, "schedule": "plateau", "evaluate_every": 7}, 7),
    ],
)
def test_validations_that_drive_the_rate_come_with_the_epochs(recipe, steps):
    assert validation_interval(recipe, 40, 10) == steps
