"""Checks of what a study declares of the power of its comparisons."""

from collections.abc import Iterator

from synthmix.checks.study import Problem, Study


def power(study: Study) -> Iterator[Problem]:
    """There is a comparison to plan, and the stated discordance admits the effect."""
    declared = study.content.get("power")
    if declared is None:
        return
    if not study.content.get("primary") and not study.content["comparisons"]:
        yield "power", "the study compares nothing; add primary or comparisons, or delete it"
    if "discordance" not in declared:
        return
    metric = study.content.get("metric", "accuracy")
    if metric != "accuracy":
        yield "power.discordance", f"is of accuracy, and the study's metric is {metric}; leave it out"
    if declared.get("effect", 0) > declared["discordance"]:
        problem = f"arms that disagree on {declared['discordance']} of the test images differ by no more than that"
        yield "power.discordance", f"{problem}, not by {declared['effect']}; raise it, or lower power.effect"
