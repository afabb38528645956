"""Code digests: what counts as a change of meaning, and what does not."""

import ast
import textwrap

import pytest

from synthmix import code

TRAIN = '''
"""A script."""
import json
from lib import engine, shapes
from lib.tools import total, LIMIT as limit

result = engine.run(total([1, limit]), shapes)
'''
ENGINE = '''
"""The engine."""
import os
from typing import TYPE_CHECKING, Any

from lib.base import Base, mark
from lib import registry

if TYPE_CHECKING:
    from lib.unused import Hint

RATE = 3
OTHER = 4


@mark
def run(values, shape=RATE):
    """Run it."""
    count = 0
    def inner(value: int) -> int:
        """Inside."""
        return value + 1
    from lib.late import later
    return [inner(each) for each in values], later(), registry.names(), Model().forward()


class Model(Base):
    """A model."""

    width: int = 2

    def forward(self):
        return self.width


def unused():
    return OTHER
'''
FILES = {
    "train.py": TRAIN,
    "lib/__init__.py": "",
    "lib/engine.py": ENGINE,
    "lib/base.py": "class Base:\n    size = 1\n\n\ndef mark(function):\n    return function\n",
    "lib/late.py": "def later():\n    return 1\n\n\ndef never():\n    return 2\n",
    "lib/registry.py": "from lib.names import names\n",
    "lib/names.py": "START = []\nSTART.append(1)\ndef names():\n    return 'a'\ndef others():\n    return 'b'\n",
    "lib/shapes.py": "SIDE = 8\n",
    "lib/tools.py": "LIMIT = 9\ndef total(values):\n    return sum(values)\ndef mean(values):\n    return 0\n",
    "lib/unused.py": "class Hint:\n    pass\n",
}


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Writes the files, with some texts replaced, and gives the digest of train.py."""
    monkeypatch.setattr(code, "ROOT", tmp_path)

    def digest(*changes):
        files = dict(FILES)
        for name, old, new in changes:
            assert files[name].count(old) == 1, (name, old)
            files[name] = files[name].replace(old, new)
        for name, text in files.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text)
        code._read.cache_clear()
        code.digest.cache_clear()
        return code.digest("train.py")

    yield digest
    code._read.cache_clear()
    code.digest.cache_clear()


ENGINE_PY = "lib/engine.py"
NOTHING = {
    "module's docstring": (ENGINE_PY, "The engine.", "An engine."),
    "no docstring of the module": (ENGINE_PY, '"""The engine."""\n', ""),
    "docstring of a function": (ENGINE_PY, '    """Run it."""\n', ""),
    "docstring of an inner function": (ENGINE_PY, '"""Inside."""', '"""Within."""'),
    "docstring of a class": (ENGINE_PY, "A model.", "Another text."),
    "comment": (ENGINE_PY, "    count = 0\n", "    # a comment\n    count = 0  # and one more\n"),
    "formatting": (ENGINE_PY, "def run(values, shape=RATE):", "def run(\n    values,\n    shape = (RATE),\n):"),
    "quotes": ("lib/names.py", "'a'", '"a"'),
    "order of imports": (ENGINE_PY, "import os\nfrom typing", "from lib import registry\nimport os\nfrom typing"),
    "order of definitions": ("lib/tools.py", FILES["lib/tools.py"], "def total(values): return sum(values)\nLIMIT=9"),
    "unused import": (ENGINE_PY, "import os\n", "import os, sys\nfrom lib.unused import Hint\n"),
    "annotation of an argument": (ENGINE_PY, "def run(values, shape", "def run(values: Any, shape"),
    "annotation that names first-party code": (ENGINE_PY, "def run(values, shape", "def run(values: unused, shape"),
    "annotation of what is returned": (ENGINE_PY, "shape=RATE):", "shape=RATE) -> list[unused]:"),
    "annotation of a variable": (ENGINE_PY, "    count = 0\n", "    count: int = 0\n    other: str\n"),
    "annotation of a constant": (ENGINE_PY, "RATE = 3\n", "RATE: int = 3\n"),
    "what a field's annotation says": (ENGINE_PY, "width: int = 2", "width: float = 2"),
    "what type checkers import": (ENGINE_PY, "    from lib.unused import Hint\n", "    import lib.unused\n    X = 1\n"),
    "type checkers, by attribute": (ENGINE_PY, "if TYPE_CHECKING:", "import typing\nif typing.TYPE_CHECKING:"),
    "unused function": (ENGINE_PY, "return OTHER", "return OTHER + 1"),
    "constant of an unused function": (ENGINE_PY, "OTHER = 4", "OTHER = 5"),
    "unused function of a module that is used by attribute": ("lib/names.py", "'b'", "'c'"),
    "unused function beside a lazy import": ("lib/late.py", "return 2", "return 3"),
    "unused function beside an imported one": ("lib/tools.py", "return 0", "return 1"),
    "file that nothing reaches": ("lib/unused.py", "pass", "x = 1"),
}  # fmt: skip
SOMETHING = {
    "statement of the script": ("train.py", "[1, limit]", "[2, limit]"),
    "constant": (ENGINE_PY, "RATE = 3", "RATE = 4"),
    "constant under another name": ("lib/tools.py", "LIMIT = 9", "LIMIT = 8"),
    "type of a constant": (ENGINE_PY, "RATE = 3", "RATE = 3.0"),
    "default of an argument": (ENGINE_PY, "shape=RATE", "shape=5"),
    "decorator": (ENGINE_PY, "@mark\n", ""),
    "body of a decorator": ("lib/base.py", "return function", "return print"),
    "inner function": (ENGINE_PY, "value + 1", "value + 2"),
    "operator": (ENGINE_PY, "value + 1", "value - 1"),
    "name of an argument": (ENGINE_PY, "inner(value: int) -> int:", "inner(value: int, x=None) -> int:"),
    "body of a class": (ENGINE_PY, "width: int = 2", "width: int = 3"),
    "field without an annotation": (ENGINE_PY, "width: int = 2", "width = 2"),
    "base class": ("lib/base.py", "size = 1", "size = 2"),
    "lazily imported function": ("lib/late.py", "return 1", "return 0"),
    "re-exported function": ("lib/names.py", "'a'", "'A'"),
    "what an import runs": ("lib/names.py", "START.append(1)", "START.append(2)"),
    "constant of what an import runs": ("lib/names.py", "START = []", "START = [0]"),
    "function called by name": ("lib/tools.py", "sum(values)", "max(values)"),
    "module passed on as a whole": ("lib/shapes.py", "SIDE = 8", "SIDE = 9"),
    "new constant of a module passed on as a whole": ("lib/shapes.py", "SIDE = 8\n", "SIDE = 8\nDEPTH = 1\n"),
    "otherwise imported function": (ENGINE_PY, "from lib.late import later", "from lib.late import never as later"),
    "text that is no docstring": ("lib/names.py", "return 'a'", "return 'a' 'b'"),
    "None in the place of 0": ("lib/late.py", "return 1", "return None"),
}  # fmt: skip


@pytest.mark.parametrize("change", NOTHING.values(), ids=NOTHING)
def test_what_does_not_count(tree, change):
    assert tree(change) == tree()


@pytest.mark.parametrize("change", SOMETHING.values(), ids=SOMETHING)
def test_what_counts(tree, change):
    assert tree(change) != tree()


def test_the_order_of_fields_does_not_count(monkeypatch):
    nodes = ast.parse(textwrap.dedent(ENGINE)).body
    texts = [code._text(node) for node in nodes]
    fields = ast.iter_fields
    monkeypatch.setattr(ast, "iter_fields", lambda node: reversed(list(fields(node))))
    assert [code._text(node) for node in nodes] == texts


def test_a_field_that_a_python_version_adds_empty_does_not_count(monkeypatch):
    nodes = ast.parse(ENGINE).body
    texts = [code._text(node) for node in nodes]
    fields = ast.iter_fields
    monkeypatch.setattr(ast, "iter_fields", lambda node: [*fields(node), ("added", []), ("also", None)])
    assert [code._text(node) for node in nodes] == texts


def test_the_definitions_that_a_script_reaches(tree):
    tree()
    assert set(code.definitions(["train.py"])) == {
        "train.py:result",
        "lib/engine.py:run",
        "lib/engine.py:RATE",
        "lib/engine.py:Model",
        "lib/base.py:Base",
        "lib/base.py:mark",
        "lib/late.py:later",
        "lib/names.py:",
        "lib/names.py:START",
        "lib/names.py:names",
        "lib/shapes.py:SIDE",
        "lib/tools.py:LIMIT",
        "lib/tools.py:total",
    }


def test_what_no_number_depends_on_is_not_counted(tree, monkeypatch):
    before = tree()
    change = ("lib/late.py", "return 1", "return 5")
    assert tree(change) != before
    monkeypatch.setattr(code, "PLUMBING", {"lib/late.py"})
    assert tree(change) == tree()


def test_plumbing_is_there_and_no_script_depends_on_it():
    assert all((code.ROOT / name).is_file() for name in code.PLUMBING)
    for script in code.ROOT.glob("*.py"):
        reached = {name.partition(":")[0] for name in code.definitions([script.name])}
        assert not reached & code.PLUMBING
        assert reached


def test_entries_of_one_script_and_different_architectures_differ():
    files = [f"synthmix/models/{name}.py" for name in ("cnn_block", "vit_block")]
    assert len({code.digest("train.py", file) for file in files}) == 2


def test_drawing_images_does_not_depend_on_how_their_generator_is_trained():
    files = ["generate.py", "synthmix/generators/ddpm.py"]
    training = {"synthmix/generation/diffusion.py:fit", "synthmix/trainers/ddpm.py:write"}
    assert not training & code.definitions(files).keys()


def test_training_generation_and_scores_depend_on_their_own_code():
    entries = {stage: [f"{stage}.py"] for stage in ("train", "generate", "score", "evaluate")}
    entries["generate"].append("synthmix/generators/ddpm.py")
    reached = {stage: set(code.definitions(files)) for stage, files in entries.items()}
    assert "synthmix/training.py:fit" in reached["train"]
    assert "synthmix/generation/diffusion.py:sample" in reached["generate"]
    assert "synthmix/scoring.py:score" in reached["score"]
    for stage, own in (("train", "training.py"), ("generate", "generation/diffusion.py"), ("score", "scoring.py")):
        for other in reached.keys() - {stage}:
            assert not any(name.startswith(f"synthmix/{own}") for name in reached[other]), (stage, other)
    assert "synthmix/runs.py:write" not in reached["evaluate"]
    assert "synthmix/runs.py:write_results" not in reached["train"]
