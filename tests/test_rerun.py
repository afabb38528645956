"""What reruns after a change, and what does not: jobs that Snakemake plans, networks trained, images generated."""

import ast
import os
from collections import Counter
from pathlib import Path

import pytest
from workspace import LIBRARY, RUNS, STUDY, Workspace

from synthmix.files import read_arrays, read_json, write_arrays, write_json

pytestmark = pytest.mark.workflow

SINGLE = "learning_rate: 0.003, weight_decay: 0.01"  # of the recipe single
DATA = "results/data/digits"
SHARD = "results/pools/digits/ddpm/all/shard-0000.parquet"
SHOWN = {"experiments": 1, "comparisons": 1, "table": 2, "figure": 1, "report": 1}  # what shows classifiers
EVERY_RUN = SHOWN | {"train": 4, "evaluate": 4, "cross_test": 1}
EVERY_SCORE = {"score": 2, "table": 1, "report": 1}
EVERYTHING = EVERY_RUN | {"score": 2, "table": 3, "figure": 2}  # that depends on generated images
NEW_IMAGES = EVERYTHING | {"train_generator": 1, "train_generator_by_seed": 1, "generate": 2}
NEW_EXTRACTOR = EVERY_RUN | {"train_extractor": 1, "reference": 1, "score": 2, "table": 3}


def test_a_copied_workspace_is_up_to_date(workspace: Workspace) -> None:
    assert workspace.planned() == {}


# ---- changes without effect ------------------------------------------------------------------------------------------


def reorder_keys(w: Workspace) -> None:
    w.replace(STUDY, "{optimizer: sgd, momentum: 0.9,", "{momentum: 0.9, optimizer: sgd,")


def comment_study(w: Workspace) -> None:
    w.replace(STUDY, "recipes:\n", "# how to train\nrecipes:  # two of them\n\n")


def write_integers_as_floats(w: Workspace) -> None:
    w.replace(STUDY, "per_class: 4, shard_size: 4,", "per_class: 4.0, shard_size: 4.0,")
    w.replace(STUDY, "batch_size: 16, steps: 4}", "batch_size: 16.0, steps: 4.0}")


def write_numbers_otherwise(w: Workspace) -> None:
    w.replace(STUDY, SINGLE, "learning_rate: 3.0e-3, weight_decay: 0.0100")


def write_defaults(w: Workspace) -> None:
    w.replace(STUDY, SINGLE, SINGLE + ", momentum: 0, schedule: constant, seeds_per_job: 1")


def write_seeds_as_list(w: Workspace) -> None:
    w.write(STUDY, w.read(STUDY).replace("seeds: 2", "seeds: [0, 1]"))


def reformat_code(w: Workspace) -> None:
    """Every comment goes, every line is written anew."""
    for path in w.root.glob(f"{LIBRARY}/**/*.py"):
        path.write_text(ast.unparse(ast.parse(path.read_text())))


def change_docstrings(w: Workspace) -> None:
    for path in w.root.glob(f"{LIBRARY}/**/*.py"):
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node):
                node.body[0] = ast.Expr(ast.Constant("Another text."))
        path.write_text(ast.unparse(tree))


def reverse_imports(w: Workspace) -> None:
    for path in [*w.root.glob(f"{LIBRARY}/**/*.py"), *w.root.glob("workflow/scripts/*.py")]:
        tree = ast.parse(path.read_text())
        imports = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        others = [node for node in tree.body if node not in imports]
        doc = 1 if ast.get_docstring(tree) else 0
        tree.body = [*others[:doc], *reversed(imports), *others[doc:]]
        path.write_text(ast.unparse(tree))


def change_annotations(w: Workspace) -> None:
    w.replace(
        f"{LIBRARY}/training.py", "    state = entry.load()\n", "    state: dict[str, Any] | None = entry.load()\n"
    )
    w.replace(f"{LIBRARY}/images/draws.py", "def of_seed(pool: Pool, seed: int) -> Pool:", "def of_seed(pool, seed):")


def add_unused_function(w: Workspace) -> None:
    w.append(f"{LIBRARY}/training.py", "\n\ndef unused():\n    return 1\n")


def touch_sources(w: Workspace) -> None:
    for path in w.root.rglob("*"):
        if path.suffix in (".py", ".smk", ".yaml", ".rst") or path.name == "Snakefile":
            os.utime(path)


def write_sources_again(w: Workspace) -> None:
    """As git checkout does: new files with the same content."""
    for path in [*w.root.rglob("workflow/**/*"), *w.root.glob("studies/*"), w / "Snakefile", w / "config.yaml"]:
        if path.is_file():
            content = path.read_bytes()
            path.unlink()
            path.write_bytes(content)


def add_inactive_study(w: Workspace) -> None:
    w.write("studies/other.yaml", w.read(STUDY).replace("seeds: 2", "seeds: 5").replace("steps: 4}", "steps: 9}"))


def add_broken_studies(w: Workspace) -> None:
    w.write("studies/broken.yaml", "title: [")
    w.write("studies/unknown.yaml", "title: A title\nquestion: A question?\nnonsense: 1\n")


# In an order in which each finds what it changes.
WITHOUT_EFFECT = [
    add_inactive_study,
    write_defaults,
    write_integers_as_floats,
    write_numbers_otherwise,
    reorder_keys,
    write_seeds_as_list,
    comment_study,
    add_broken_studies,
    change_annotations,
    add_unused_function,
    reformat_code,
    change_docstrings,
    reverse_imports,
    touch_sources,
    write_sources_again,
]


def test_changes_without_effect(built: Workspace, workspace: Workspace, tmp_path: Path) -> None:
    for change in WITHOUT_EFFECT:
        change(workspace)
    planned = workspace.planned()
    alone = {}
    for change in WITHOUT_EFFECT if planned else []:
        other = built.copy(tmp_path / change.__name__)
        change(other)
        alone[change.__name__] = other.planned()
    assert planned == {}, f"alone: { {name: jobs for name, jobs in alone.items() if jobs} }"


# ---- changes of the configuration ------------------------------------------------------------------------------------


def test_a_recipe_value_reruns_the_runs_with_that_recipe(workspace: Workspace) -> None:
    workspace.replace(STUDY, SINGLE, "learning_rate: 0.004, weight_decay: 0.01")
    assert workspace.planned() == SHOWN | {"train": 2, "evaluate": 2}
    other, tested = workspace.read(f"{RUNS}/main/vit/block/seeds0-2/metrics.json"), ledger(workspace)
    before = workspace.entries()
    workspace.snakemake("--until", "evaluate")
    # two seeds with two training sets each, trained and tested once
    assert workspace.made(before) == Counter(classifier=4, tested=4)
    assert len(ledger(workspace)) == len(tested) + 4
    assert workspace.read(f"{RUNS}/main/vit/block/seeds0-2/metrics.json") == other
    assert workspace.planned() == SHOWN


def test_two_swapped_values_rerun_the_runs_with_that_recipe(workspace: Workspace) -> None:
    workspace.replace(STUDY, SINGLE, "learning_rate: 0.01, weight_decay: 0.003")
    assert workspace.planned() == SHOWN | {"train": 2, "evaluate": 2}


def test_the_style_of_a_figure_redraws_it(workspace: Workspace) -> None:
    workspace.replace(STUDY, "model: cnn}\n", "model: cnn, style: {width_mm: 100}}\n")
    assert workspace.planned() == {"figure": 1, "report": 1}
    other = workspace.read("results/studies/tiny/figures/samples.svg")
    before = (workspace / "results/studies/tiny/figures/arms.svg").read_bytes()
    workspace.snakemake("results/studies/tiny/figures/arms.svg")
    assert (workspace / "results/studies/tiny/figures/arms.svg").read_bytes() != before
    assert workspace.read("results/studies/tiny/figures/samples.svg") == other


def test_a_larger_pool_gets_the_missing_shards_alone(workspace: Workspace) -> None:
    workspace.replace(STUDY, "per_class: 4, shard_size: 4,", "per_class: 8, shard_size: 4,")
    assert workspace.planned() == {"generate": 1, "score": 1, "cross_test": 1, "table": 2, "figure": 1, "report": 1}
    before, shard = workspace.entries(), (workspace / SHARD).read_bytes()
    workspace.snakemake("--until", "generate")
    assert workspace.made(before) == Counter(generated=1)
    assert (workspace / SHARD).read_bytes() == shard
    assert (workspace / SHARD.replace("0000", "0001")).read_bytes() != shard
    # no run asks for the new images
    assert workspace.planned("--until", "train", "evaluate") == {}


def test_one_more_metric_is_computed_from_the_features_of_real_images_at_hand(workspace: Workspace) -> None:
    metrics = ["kid", "density", "coverage", "cmmd", "fd_infinity"]
    workspace.replace(STUDY, "extractor: features}", f"extractor: features, metrics: [{', '.join(metrics)}]}}")
    assert workspace.planned() == EVERY_SCORE
    workspace.snakemake("--until", "table")
    score = read_json(workspace / "results/scores/digits/ddpm/features-n4.json")["metrics"]
    assert list(score) == metrics
    assert score["coverage"]["value"] is not None
    assert "Gaussian-kernel distance" in workspace.read("results/studies/tiny/tables/scores.md")


def test_a_format_of_features_reruns_extraction_and_not_the_extractor(workspace: Workspace) -> None:
    workspace.replace(STUDY, "epochs: 1, seed: 0}", "epochs: 1, seed: 0, precision: bfloat16}")
    assert workspace.planned() == EVERY_SCORE | {"reference": 1}
    workspace.snakemake("--until", "score")
    score = read_json(workspace / "results/scores/digits/ddpm/features-n4.json")
    assert score["extractor"]["precision"] == "bfloat16"


def test_one_more_seed_is_trained_alone(workspace: Workspace) -> None:
    text = workspace.read(STUDY)
    runs = text[text.index("\nruns:") : text.index("\nscores:")]
    workspace.write(STUDY, text.replace(runs, runs.replace("seeds: 2", "seeds: 3")))
    planned = workspace.planned()
    assert planned == EVERY_RUN | {
        "train": 3,  # a job of its own with seeds_per_job 1, an old job with seeds_per_job 3, and that of the pool own
        "evaluate": 3,
        "train_generator_by_seed": 1,
        "generate": 1,
        "score": 1,
        "table": 3,
    }
    before, old = workspace.entries(), workspace.read(f"{RUNS}/main/vit/block/seeds0-2/history.csv")
    workspace.snakemake("--until", "train")
    # seed 2: two training sets x two recipes, one training set with a generator of its own
    assert workspace.made(before) == Counter(classifier=5, generator=1, generated=1)
    rows = workspace.read(f"{RUNS}/main/vit/block/seeds0-2/history.csv").splitlines()
    assert [row for row in rows if row.split(",")[1] != "2"] == old.splitlines()


def test_back_to_earlier_values_trains_and_generates_nothing(workspace: Workspace) -> None:
    guidance = ("guidance: 1.2", "guidance: 2.5")
    rate = ("learning_rate: 0.003, weight", "learning_rate: 0.004, weight")
    model = f"{RUNS}/main/cnn/single/seeds0/model.safetensors"
    targets = [model, f"{RUNS}/main/cnn/single/seeds0/metrics.json"]
    original = {name: (workspace / name).read_bytes() for name in (SHARD, model)}
    tested, start = ledger(workspace), workspace.entries()
    for old, new in (guidance, rate):
        workspace.replace(STUDY, old, new)
    workspace.snakemake(*targets)
    assert workspace.made(start) == Counter(generated=1, classifier=2, tested=2)
    assert all((workspace / name).read_bytes() != content for name, content in original.items())
    for old, new in (guidance, rate):
        workspace.replace(STUDY, new, old)
    changed = workspace.entries()
    assert workspace.planned(*targets) == {"generate": 1, "train": 1, "evaluate": 1}
    workspace.snakemake(*targets)
    assert workspace.made(changed) == Counter()
    assert len(ledger(workspace)) == len(tested) + 2
    assert all((workspace / name).read_bytes() == content for name, content in original.items())


def relabel(workspace: Workspace) -> None:
    """What prepare_data leaves when labels were corrected in the files of its source, under the same spec."""
    arrays, metadata = read_arrays(workspace / f"{DATA}/train.safetensors")
    write_arrays(workspace / f"{DATA}/train.safetensors", {**arrays, "labels": arrays["labels"][::-1]}, metadata)
    meta = read_json(workspace / f"{DATA}/meta.json")
    meta["source"]["sha256"] = meta["source"]["sha256"][::-1]
    write_json(workspace / f"{DATA}/meta.json", meta)


def test_other_data_under_the_same_spec_are_trained_on_and_the_earlier_ones_are_found_again(
    workspace: Workspace,
) -> None:
    model = f"{RUNS}/main/cnn/single/seeds0/model.safetensors"
    targets = [model, model.replace("model.safetensors", "metrics.json")]
    names = [path.relative_to(workspace.root).as_posix() for path in (workspace / DATA).iterdir()]
    original = {name: (workspace / name).read_bytes() for name in [*names, model]}
    before, tested = workspace.entries(), ledger(workspace)
    relabel(workspace)
    workspace.snakemake(*targets)
    assert workspace.made(before) == Counter(generator=1, generated=1, classifier=2, tested=2)
    assert (workspace / model).read_bytes() != original[model]
    assert len(ledger(workspace)) == len(set(ledger(workspace))) == len(tested) + 2
    for name in names:
        (workspace / name).write_bytes(original[name])
    changed = workspace.entries()
    workspace.snakemake(*targets)
    assert workspace.made(changed) == Counter()
    assert (workspace / model).read_bytes() == original[model]
    # as long as nobody knows what the data will hold, all of it may be asked for
    (workspace / f"{DATA}/meta.json").unlink()
    assert "results/.resume" not in workspace.command("clean_unused")


def ledger(workspace: Workspace) -> list[str]:
    return workspace.read("results/test_ledger.csv").splitlines()


# ---- changes of the code ---------------------------------------------------------------------------------------------


def change_function(workspace: Workspace, file: str, name: str) -> None:
    """Give a function of the library one more statement."""
    path = workspace / LIBRARY / file
    text = path.read_text()
    function = next(node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef) and node.name == name)
    lines = text.splitlines(keepends=True)
    lines.insert(function.body[1 if ast.get_docstring(function) else 0].lineno - 1, "    _ = 0\n")
    path.write_text("".join(lines))


@pytest.mark.parametrize(
    ("file", "function", "planned"),
    [
        ("images/draws.py", "noisy_labels", EVERY_RUN),
        ("runs.py", "write", EVERY_RUN),
        # the extractor is a classifier, trained by the same code
        (
            "networks/schedules.py",
            "rate_factor",
            NEW_EXTRACTOR,
        ),
        ("models/vit_block.py", "build", SHOWN | {"train": 2, "evaluate": 2, "cross_test": 1}),
        (
            "generation/diffusion.py",
            "fit",
            NEW_IMAGES,
        ),
        ("generation/diffusion.py", "sample", EVERYTHING | {"generate": 2}),
        (
            "generation/denoising.py",
            "optimise",
            NEW_IMAGES,
        ),
        ("trainers/ddpm.py", "write", NEW_IMAGES),
        ("images/shards.py", "draw_shard", EVERYTHING | {"generate": 2}),
        ("evaluating.py", "write_results", SHOWN | {"evaluate": 4}),
        ("scoring.py", "score", EVERY_SCORE),
        ("features/extraction.py", "extract", EVERY_SCORE | {"reference": 1}),
        ("references.py", "measure", EVERY_SCORE | {"reference": 1}),
        ("figures/arms.py", "draw", {"figure": 1, "report": 1}),
        ("reports/rendering.py", "save_figure", {"figure": 2, "report": 1}),
    ],
)
def test_a_function_reruns_what_calls_it(
    workspace: Workspace, file: str, function: str, planned: dict[str, int]
) -> None:
    change_function(workspace, file, function)
    assert workspace.planned() == planned
