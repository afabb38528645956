"""Random streams: the same on every machine and in every version, and independent of each other.

The expected values are part of the product: whoever changes one changes the draws of every study.
"""

import numpy as np
import pytest
import torch

from synthmix.images.draws import draw_held_back, draw_real, noisy_labels
from synthmix.images.stratify import split_halves, stratified_order
from synthmix.streams import seed, stream

LABELS = np.arange(30) % 3


@pytest.mark.parametrize(
    ("arguments", "number", "order", "uniform"),
    [
        (("draw", 0, 3), 8143698906414232963, [7, 0, 5, 2, 4, 3, 1, 6], 0.7653746980420009),
        (("order", 5, 1), 3128441475857711876, [2, 0, 1, 5, 4, 7, 6, 3], 0.43813477603137996),
        (("label-noise", 2), 7403315755309314828, [4, 1, 6, 3, 0, 5, 7, 2], 0.5869629201871388),
    ],
)
def test_streams_stay_what_they_are(arguments, number, order, uniform):
    assert seed(*arguments) == number
    assert stream(*arguments).permutation(8).tolist() == order
    assert stream(*arguments).random() == uniform


def test_draws_stay_what_they_are():
    assert draw_real(LABELS, 2, 0).tolist() == [7, 11, 13, 17, 24, 27]
    assert draw_real(LABELS, 2, 1).tolist() == [3, 5, 6, 7, 23, 25]
    assert draw_real(LABELS, {"total": 7}, 0).tolist() == [7, 11, 13, 17, 21, 24, 27]
    assert draw_held_back(LABELS, 2, 1, 0).tolist() == [5, 19, 21]
    assert noisy_labels(LABELS, 0.3, 3, 0)[:12].tolist() == [2, 1, 2, 0, 1, 2, 0, 1, 2, 0, 2, 2]
    assert stratified_order(LABELS, 0)[:9].tolist() == [13, 2, 18, 9, 20, 25, 10, 27, 14]
    assert split_halves(LABELS, 0)[0].tolist() == [1, 2, 3, 4, 6, 7, 8, 15, 16, 18, 19, 23, 26, 27, 29]


def test_the_noise_of_an_image_stays_what_it_is():
    """PyTorch's generator; what it draws on a CPU has not changed since 2019."""
    noise = torch.randn(3, generator=torch.Generator().manual_seed(seed("noise", 0, 1, 2)))
    torch.testing.assert_close(noise, torch.tensor([-2.2062817, -0.36448547, 0.3910395]))


def test_every_purpose_and_number_has_its_own_stream():
    purposes = ("draw", "order", "augment", "dropout", "noise", "synthetic", "initialisation")
    seeds = [
        seed(purpose, *numbers) for purpose in purposes for numbers in ((), (0,), (1,), (0, 0), (0, 1), (1, 0), (10,))
    ]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= each < 2**63 for each in seeds)


def test_streams_of_neighbouring_seeds_are_uncorrelated():
    draws = np.stack([stream("draw", each).standard_normal(2000) for each in range(40)])
    correlations = np.corrcoef(draws)[np.triu_indices(40, 1)]
    # 780 correlations of standard deviation 0.022: the largest is above 0.11 once in 2,000 times
    assert np.abs(correlations).max() < 0.11


def test_numbers_may_be_numpy_integers():
    assert seed("draw", np.int64(3), np.uint8(1)) == seed("draw", 3, 1)


def test_a_stream_starts_anew_each_time():
    first = stream("draw", 0)
    first.random(100)
    assert stream("draw", 0).random() == stream("draw", 0).random()
    assert stream("draw", 0) is not stream("draw", 0)
