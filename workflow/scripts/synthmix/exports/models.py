"""A trained classifier in the layout of the Hugging Face hub: weights, how the network is built, and a card."""

from pathlib import Path
from typing import Any

import pandas as pd

from synthmix import files, layout, runs, so_far
from synthmix.experiments import collect
from synthmix.exports import cards, licences
from synthmix.exports.exporting import ExportError, public, require_files
from synthmix.planning import initial_weights, seen
from synthmix.planning.plan import Plan, Run


class ExportedModel:
    """The classifier of one run of a study."""

    kind = "model"  # of repository on the hub

    def __init__(self, plan: Plan, study: str, run: Run) -> None:
        self.plan, self.study, self.run = plan, study, run
        self.folder = layout.job_folder(run.job)
        self.meta_file = f"{layout.DATA.format(dataset=run.job.dataset)}/meta.json"

    def require(self) -> None:
        """Raise ExportError where it is not there, or was made from another configuration or code."""
        plan, study, run = self.plan, self.study, self.run
        arm = [each for each in plan.runs[study] if _arm(each) == _arm(run)]
        self.wanted = sorted(each.seed for each in arm)
        finished, folders = so_far.finished_runs(plan, study), {layout.job_folder(each.job) for each in arm}
        self.finished = {
            folder: {run.training_set: finished[folder][run.training_set]}
            for folder in sorted(folders)
            if run.training_set in finished.get(folder, {})
        }
        remedy = f"run: snakemake --cores all {self.folder}/metrics.json"
        if run.seed not in self.finished.get(self.folder, {}).get(run.training_set, []):
            problem = f"studies/{study}.yaml: {self.name} is not trained and tested by this study and code as they are"
            raise ExportError(f"{problem} now; {remedy}")
        weights = f"{self.folder}/model.safetensors"
        if not Path(weights).exists():
            problem = f"{weights} is not there, and keep.weights: false of config.yaml deletes such files"
            raise ExportError(f"{problem}; set it to true, then {remedy}")
        require_files([f"{self.folder}/training.json", self.meta_file], study)
        self.training, tested = (files.read_json(f"{self.folder}/{name}.json") for name in ("training", "metrics"))
        keys = [made["spec"]["keys"][run.training_set][str(run.seed)] for made in (self.training, tested)]
        if keys[0] != keys[1]:
            raise ExportError(f"{weights} is of another training than {self.folder}/metrics.json; {remedy}")

    @property
    def name(self) -> str:
        """The run in words."""
        job = self.run.job
        return f"run {self.run.training_set}/{job.model}/{job.recipe}/{self.run.seed} on data set {job.dataset}"

    def sources(self) -> list[licences.Source]:
        """What the classifier is made of, and the terms of each."""
        return licences.of_run(self.plan, self.run.job.dataset, self.run.training_set, self.run.job.model)

    def terms(self) -> licences.Licence:
        """The terms of the classifier: those of what it is made of."""
        return licences.combined(self.sources())

    def write(self, folder: Path) -> None:
        """Write model.safetensors, config.json and README.md, after `require`. Raises files.DamagedFileError."""
        meta = files.read_json(self.meta_file)
        key = (self.run.training_set, self.run.seed)
        arrays = runs.read_models(f"{self.folder}/model.safetensors")[key]
        files.write_arrays(folder / "model.safetensors", arrays, {"format": "pt"})
        training = self.training
        facts = next(each for each in training["runs"] if (each["training_set"], each["seed"]) == key)
        definitions, job = self.plan.definitions, self.run.job
        training_set = public(definitions["training_sets"][self.run.training_set])
        recipe = public(definitions["recipes"][job.recipe])
        model = initial_weights.identity(definitions["models"][job.model])
        config = {
            "architecture": model["architecture"],
            "model": public(model),
            "classes": meta["classes"],
            "size": meta["size"],
            "channels": meta["channels"],
            # of pixel values from 0 to 255, in each channel; both are among the weights, too
            "mean": arrays["mean"].ravel().tolist(),
            "std": arrays["std"].ravel().tolist(),
            "training_set": training_set,
            "recipe": recipe,
            "seed": self.run.seed,
        }
        files.write_json(folder / "config.json", config)
        card = {
            "name": self.name,
            "study": self.study,
            "title": self.plan.studies[self.study]["title"],
            "run": {**job._asdict(), "training_set": self.run.training_set, "seed": self.run.seed},
            "config": config,
            "facts": facts,
            "meta": meta,
            # which pool and filter the generated images came from, and which real images these saw
            "seen": seen.who_saw_what(self.plan, self.run.training_set),
            "pretrained": initial_weights.wanted(definitions["models"][job.model]),
            "arm": self._results(),
            "wanted": self.wanted,
            "definitions": {
                "datasets": {job.dataset: public(definitions["datasets"][job.dataset])},
                **self._generated(),
                "training_sets": {self.run.training_set: training_set},
                "models": {job.model: public(model)},
                "recipes": {job.recipe: recipe},
            },
            "versions": training["versions"],
            "device": training["device"],
            "digest": training["spec"]["keys"][self.run.training_set][str(self.run.seed)],
            "code": training["spec"]["code"],
        }
        cards.write_model_card(folder, card, self.sources(), self.terms())

    def _generated(self) -> dict[str, Any]:
        """The definitions of the generator and the pool behind the training set, where it has generated images."""
        of = self.plan.definitions
        pool = of["training_sets"][self.run.training_set].get("pool")
        if not pool:
            return {}
        generator = of["pools"][pool]["generator"]
        return {
            "generators": {generator: public(of["generators"][generator])},
            "pools": {pool: public(of["pools"][pool])},
        }

    def _results(self) -> pd.DataFrame:
        """One row for each tested seed of the arm, by seed."""
        frame = collect([f"{folder}/metrics.json" for folder in self.finished], self.finished)
        return frame[frame["training_set"] == self.run.training_set].set_index("seed").sort_index()


def _arm(run: Run) -> tuple[str, ...]:
    return run.job.dataset, run.training_set, run.job.model, run.job.recipe
