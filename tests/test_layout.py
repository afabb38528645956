"""Where results lie: no two of them in one place."""

from synthmix import layout

JOB = {"dataset": "digits", "bundle": "main", "model": "cnn", "recipe": "single", "seeds": "0"}


def test_names_that_hold_each_other_make_different_paths() -> None:
    pairs = (("real-on-clean", "ddpm"), ("real", "clean-on-ddpm"))
    assert len({layout.CROSS_TEST.format(**JOB, training_set=name, pool=pool) for name, pool in pairs}) == 2
