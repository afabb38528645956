"""Profiles: what Snakemake reads from profiles/default, local and slurm, and that a study can be planned with each."""

import re

import pytest
import yaml
from workspace import REPOSITORY, Workspace

PROFILES = ("local", "slurm")


def keys(profile: str) -> set[str]:
    return set(yaml.safe_load((REPOSITORY / profile / "config.yaml").read_text()))


@pytest.mark.parametrize("profile", PROFILES)
def test_no_key_stands_in_the_default_profile_too(profile: str) -> None:
    # Snakemake takes the value of profiles/default, whatever --profile says.
    assert keys("profiles/default").isdisjoint(keys(profile))


@pytest.mark.workflow
@pytest.mark.parametrize("profile", PROFILES)
def test_a_study_is_planned_with_a_profile(sources: Workspace, profile: str) -> None:
    assert sources.planned("--profile", profile)["train"] == 4


@pytest.mark.workflow
def test_slurm_jobs_have_what_the_profile_and_the_configuration_say(sources: Workspace) -> None:
    sources.append("config.yaml", "  train: {gpu: 0, threads: 2, mem_mb: 1234, runtime: 77}\n")
    output = sources.snakemake("--profile", "slurm", "--dry-run")
    jobs = re.findall(r"^rule (\w+):\n((?: {4}.*\n)+)", output, re.MULTILINE)
    assert len(jobs) > 20
    assert all("slurm_partition=gpu" in settings for _, settings in jobs)
    for settings in (settings for name, settings in jobs if name == "train"):
        for wanted in ("threads: 2", "mem_mb=1234", "runtime=77", "gpu=0"):
            assert wanted in settings
