"""Pinned environments: the conda files, requirements.txt and the ranges of pyproject.toml say the same."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONDA = sorted((ROOT / "envs").glob("*.yaml"))
RULES = sorted((ROOT / "workflow/rules").glob("*.smk"))


def lines(name):
    text = (ROOT / "envs" / name).read_text().splitlines()
    return [line for line in (each.split("#")[0].strip() for each in text) if line]


def pins(texts):
    """Package -> version; every requirement must be an exact one, given once."""
    found = {}
    for requirement in map(Requirement, texts):
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", f"{requirement} is not pinned"
        name = canonicalize_name(requirement.name)
        assert name not in found, f"{name} is pinned twice"
        found[name] = specifier.version
    return found


PINS = pins(lines("requirements.txt"))
DEV_PINS = pins(line for line in lines("requirements-dev.txt") if not line.startswith("-r"))


def conda_pins(path):
    (packages,) = [each["pip"] for each in yaml.safe_load(path.read_text())["dependencies"] if isinstance(each, dict)]
    return pins(packages)


@pytest.mark.parametrize("path", CONDA, ids=lambda path: path.name)
def test_conda_environments_have_the_pinned_versions(path):
    found = conda_pins(path)
    assert found
    assert found == {name: PINS.get(name) for name in found}


@pytest.mark.parametrize("path", CONDA, ids=lambda path: path.name)
def test_conda_environments_have_a_supported_python(path):
    (python,) = [each for each in yaml.safe_load(path.read_text())["dependencies"] if str(each).startswith("python")]
    supported = Requirement(f"python{PROJECT['project']['requires-python']}").specifier
    assert supported.contains(python.partition("=")[2] + ".0")


def test_the_image_is_made_of_the_pinned_versions():
    definition = (ROOT / "envs/synthmix.def").read_text()
    assert "envs/requirements.txt /opt/synthmix/requirements.txt" in definition
    assert "--requirement /opt/synthmix/requirements.txt" in definition
    python = re.search(r"^From: python:([0-9.]+)-slim$", definition, re.MULTILINE)
    assert python
    for path in CONDA:
        assert f"python={python[1]}" in yaml.safe_load(path.read_text())["dependencies"]
    assert "envs/synthmix.sif" in (ROOT / "Snakefile").read_text()


def test_every_rule_names_an_environment_that_is_there():
    named = {line.strip().strip('"') for path in RULES for line in path.read_text().splitlines() if "envs/" in line}
    assert {Path(name).name for name in named} == {path.name for path in CONDA}


@pytest.mark.parametrize("dependency", PROJECT["project"]["dependencies"])
def test_dependencies_are_pinned_within_their_range(dependency):
    requirement = Requirement(dependency)
    version = PINS[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version)


@pytest.mark.parametrize("dependency", PROJECT["dependency-groups"]["dev"])
def test_tools_are_pinned_within_their_range(dependency):
    requirement = Requirement(dependency)
    version = (PINS | DEV_PINS)[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version)


def test_the_development_pins_add_to_the_others():
    assert "-r requirements.txt" in lines("requirements-dev.txt")
    assert not set(DEV_PINS) & set(PINS)


def test_dependencies_are_given_once():
    names = [canonicalize_name(Requirement(each).name) for each in PROJECT["project"]["dependencies"]]
    assert len(names) == len(set(names))
