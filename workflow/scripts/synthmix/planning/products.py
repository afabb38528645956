"""The files that jobs read and that studies build, by the names that rules use."""

import glob
import itertools
from typing import Any

from synthmix import layout
from synthmix.planning import kinds, listings
from synthmix.planning.plan import Definition, Job, Plan, listed

LEARNING = ("augmentation",)  # kinds of figures that take the environment of trainings
# What each kind of table and figure is made from.
NEEDS = {
    "overview": ("experiments",),
    "accuracy": ("experiments", "comparisons"),
    "scores": ("scores",),
    "ranking": ("experiments", "scores"),
    "cross_test": ("experiments", "cross_tests"),
    "audit": ("audits",),
    "detection": ("detections",),
    "cost": ("experiments", "benchmarks"),
    "models": ("experiments",),
    "when": ("experiments", "histories"),
    "threshold": ("experiments",),
    "power_law": ("experiments",),
    "overtaking": ("experiments",),
    "best": ("experiments",),
    "searched": ("experiments", "searched", "trainings"),
    "faithfulness": ("experiments", "explanations"),
    "saturation": ("experiments", "meta"),
    "classes": ("experiments", "predictions", "meta"),
    "best_classes": ("experiments", "predictions", "meta"),
    "arms": ("experiments",),
    "ladder": ("experiments", "meta"),
    "usefulness": ("experiments", "scores"),
    "learning_curves": ("experiments", "histories"),
    "samples": ("train", "meta", "shards"),
    "class_counts": ("meta",),
    "augmentation": ("train", "meta"),
    "channel_histograms": ("train", "meta", "shards"),
    "channel_correlation": ("train", "meta", "shards"),
    "sharpness": ("train", "meta", "shards"),
    "neighbours": ("audits", "neighbours", "train", "meta", "shards"),
    "confusion": ("experiments", "predictions", "meta"),
    "masking": ("experiments", "explanations"),
    "attention": ("experiments", "explanations", "meta"),
    "feature_maps": ("experiments", "explanations", "meta"),
    "cam": ("experiments", "explanations", "test", "meta"),
    "gallery": ("experiments", "predictions", "explanations", "test", "meta"),
    "disagreements": ("experiments", "predictions", "test", "meta"),
    "robustness": ("experiments", "corruptions"),
    "corrupted_images": ("corrupted_images",),
    "width": ("experiments",),
    "epochs": ("experiments", "histories"),
}


class Products:
    """Paths of one plan's files."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan

    def data_files(self, dataset: str) -> list[str]:
        """The external files that a data set is made from, where they are single files (Parquet)."""
        definition = self.plan.definitions["datasets"][dataset]
        if definition["source"] != "parquet":
            return []
        return list(
            itertools.chain(*(listings.files(each) or [each] for each in listings.patterns(definition).values()))
        )

    def generator_files(self, dataset: str, pool: str, group: str) -> dict[str, Any]:
        """The files that a pool's group is drawn from, by name."""
        generator = self.plan.generator_of(pool)
        folder = self.generator(dataset, pool, group)
        found: dict[str, Any] = {}
        if generator["kind"] == "files" and generator["source"] == "parquet":
            found["images"] = sorted(glob.glob(generator["path"]))
        if generator.get("img2img"):
            found["train"] = f"{layout.DATA.format(dataset=dataset)}/train.safetensors"
        if kinds.trainer(generator) == "ddpm":
            weights = "diffusion_pytorch_model" if group == "all" else "weights_by_seed"
            found["config"] = f"{folder}/unet/config.json"
            found["weights"] = f"{folder}/unet/{weights}.safetensors"
            found["scheduler"] = f"{folder}/scheduler/scheduler_config.json"
        if kinds.trainer(generator) == "train_from_scratch":
            found |= {name: f"{folder}/{path}" for name, path in layout.PIPELINE.items()}
        if adapter := layout.ADAPTERS.get(kinds.trainer(generator) or ""):
            found["adapter"] = f"{folder}/{adapter}"
        return found

    def generator(self, dataset: str, pool: str, group: str) -> str:
        """Folder of the generator that a pool's group is drawn from."""
        name = self.plan.definitions["pools"][pool]["generator"]
        own = group if group.startswith("seeds") else "all"
        return f"{layout.GENERATOR.format(dataset=dataset, generator=name)}/{own}"

    def extractor_files(self, dataset: str, name: str) -> dict[str, str]:
        """The files of a trained extractor; none for one with pretrained weights."""
        if self.plan.definitions["extractors"][name]["kind"] != "classifier":
            return {}
        return {"extractor": layout.EXTRACTOR.format(dataset=dataset, extractor=name) + ".safetensors"}

    def filter_extractor(self, dataset: str, name: str, group: str) -> dict[str, str]:
        """The files of the extractor that a filter uses for a group of a pool."""
        extractor = self.plan.definitions["filters"][name]["extractor"]
        if self.plan.by_seed(name):
            folder = layout.EXTRACTOR.format(dataset=dataset, extractor=extractor)
            return {"extractor": f"{folder}/{group}/model.safetensors"}
        return self.extractor_files(dataset, extractor)

    def job_files(self, study: str, name: str, names: Definition | None = None) -> list[str]:
        """The file `name` of every training job behind the runs of a study that `names` selects."""
        return [f"{layout.job_folder(job)}/{name}" for job in self.plan.study_jobs(study, names)]

    def view_files(self, stage: str, study: str, name: str) -> dict[str, Any]:
        """The inputs of a table or figure, by the names of `artefacts.Artefacts`."""
        view, folder = self.plan.studies[study][stage][name], layout.STUDY.format(study=study)
        datasets = [layout.DATA.format(dataset=each) for each in self._datasets(study, view)]
        pools = []
        if "shards" in NEEDS[view["kind"]]:
            pools = [self.plan.pool_shards(view["dataset"], pool) for pool in listed(view.get("pool"))]
        audits = self.audit_files(study, view)
        every = {
            "experiments": f"{folder}/experiments.csv",
            "comparisons": f"{folder}/comparisons.csv",
            "predictions": self.job_files(study, "predictions.parquet", view),
            "histories": self.job_files(study, "history.csv", view),
            **self.search_files(study, view),
            "scores": self.score_files(study),
            "audits": audits,
            "neighbours": [path.replace(".json", ".parquet") for path in audits],
            "detections": self.detection_files(study),
            "cross_tests": self.cross_test_files(study),
            "explanations": self.explanation_files(study, view) if "explainer" in view else [],
            "corruptions": self.corruption_files(study, view),
            "corrupted_images": [
                layout.CORRUPTED_IMAGES.format(dataset=dataset, corruption=view.get("corruption"))
                for dataset in listed(view.get("dataset"))
            ],
            "benchmarks": self.benchmarks(study, view),
            "meta": [f"{folder}/meta.json" for folder in datasets],
            "train": [f"{folder}/train.safetensors" for folder in datasets],
            "test": [f"{folder}/test.safetensors" for folder in datasets],
            "shards": list(itertools.chain(*pools)),
        }
        return {kind: every[kind] for kind in NEEDS[view["kind"]]}

    def caption(self, stage: str, study: str, name: str) -> str:
        """What the study says below a table or figure; empty where it says nothing."""
        return str(self.plan.studies[study][stage][name].get("caption") or "")

    def benchmarks(self, study: str, view: Definition) -> list[str]:
        """The benchmark files of everything behind the runs of a study that a view shows, and of what it measures."""
        runs = [*self.plan.runs[study], *self.plan.searched[study]]
        tested = list(dict.fromkeys(run.job for run in runs if run.named(view)))
        jobs = list(dict.fromkeys([*tested, *(run.job for run in self.plan.choosing[study] if run.named(view))]))
        shards = [path for job in jobs for path in self.plan.job_shards(job)]
        generators = [self.generator(*path.split("/")[2:5]) for path in shards if self._is_trained(path)]
        stages = {
            "prepare_data": [layout.DATA.format(dataset=job.dataset) for job in jobs],
            "train_generator": generators,
            "generate": [path.replace("shard-", "").removesuffix(".parquet") for path in shards],
            "train_extractor": self._trained_extractors(study, jobs),
            "reference": [path.removesuffix(".safetensors") for path in self.reference_files(study)],
            "filter": [path.removesuffix(".parquet") for job in jobs for path in self.plan.job_filters(job)],
            "score": [path.removesuffix(".json") for path in self.score_files(study)],
            "audit": [path.removesuffix(".json") for path in self.audit_files(study)],
            "detect": [path.removesuffix(".json") for path in self.detection_files(study)],
            "train": [layout.job_folder(job) for job in jobs],
            "evaluate": [layout.job_folder(job) for job in tested],
            "cross_test": [path.removesuffix(".json") for path in self.cross_test_files(study)],
            "explain": [path.removesuffix(".csv") for path in self.explanation_files(study)],
            "corrupt": [path.removesuffix(".csv") for path in self.corruption_files(study)],
        }
        return list(dict.fromkeys(layout.benchmark(stage, path) for stage, paths in stages.items() for path in paths))

    def _trained_extractors(self, study: str, jobs: list[Job]) -> list[str]:
        """The extractors behind scores, audits and filters that are trained here, without the suffix of their file."""
        asked = [*(self.plan.studies[study].get("scores") or []), *(self.plan.studies[study].get("audits") or [])]
        pairs = [pair for entry in asked for pair in itertools.product(entry["dataset"], entry["extractor"])]
        found = [self.extractor_files(*pair) for pair in pairs]
        for path in (path for job in jobs for path in self.plan.job_filters(job)):
            dataset, _, group, name = path.split("/")[2:]
            found.append(self.filter_extractor(dataset, name.removesuffix(".parquet"), group))
        paths = [path for files in found for path in files.values()]
        return [path.removesuffix("/model.safetensors").removesuffix(".safetensors") for path in paths]

    def _is_trained(self, shard: str) -> bool:
        return kinds.trainer(self.plan.generator_of(shard.split("/")[3])) is not None

    def environment(self, study: str, name: str) -> str:
        """The file of the environment that a figure is drawn in, as seen from the rules."""
        kind = self.plan.studies[study]["figures"][name]["kind"]
        return f"../../envs/{'learning' if kind in LEARNING else 'figures'}.yaml"

    def _datasets(self, study: str, view: Definition) -> list[str]:
        """The data sets that a view shows: those of its runs, or its own where it shows none."""
        if "experiments" not in NEEDS[view["kind"]]:
            return listed(view.get("dataset"))
        return list(dict.fromkeys(run.job.dataset for run in self.plan.selected(study, view)))

    def score_files(self, study: str) -> list[str]:
        """The scores that a study asks for."""
        return [
            layout.SCORE.format(dataset=dataset, pool=pool, extractor=extractor, n=entry["n"])
            for entry in self.plan.studies[study].get("scores") or []
            for dataset, pool, extractor in itertools.product(entry["dataset"], entry["pool"], entry["extractor"])
        ]

    def reference_files(self, study: str) -> list[str]:
        """The features of real images that the scores of a study compare with."""
        paths = [
            layout.REFERENCE.format(dataset=dataset, extractor=extractor)
            for entry in self.plan.studies[study].get("scores") or []
            for dataset, extractor in itertools.product(entry["dataset"], entry["extractor"])
        ]
        return list(dict.fromkeys(paths))

    def audit_files(self, study: str, view: Definition | None = None) -> list[str]:
        """The audits that a study asks for; with a view, of the data sets, pools and extractors that it names."""
        names = {key: listed((view or {}).get(key)) for key in ("dataset", "pool", "extractor")}
        asked = [
            dict(zip(("dataset", "pool", "extractor", "n"), (*each, entry["n"]), strict=True))
            for entry in self.plan.studies[study].get("audits") or []
            for each in itertools.product(entry["dataset"], entry["pool"], entry["extractor"])
        ]
        return [
            layout.AUDIT.format(**audit) + ".json"
            for audit in asked
            if all(not chosen or audit[key] in chosen for key, chosen in names.items())
        ]

    def detection_files(self, study: str) -> list[str]:
        """The real-against-generated classifiers that a study asks for."""
        return [
            layout.DETECTION.format(dataset=dataset, pool=pool, n=entry["n"])
            for entry in self.plan.studies[study].get("detections") or []
            for dataset, pool in itertools.product(entry["dataset"], entry["pool"])
        ]

    def cross_test_files(self, study: str) -> list[str]:
        """The tests of real-only models on generated images that a study asks for."""
        paths = [
            layout.CROSS_TEST.format(**run.job._asdict(), training_set=run.training_set, pool=pool)
            for entry in self.plan.studies[study].get("cross_tests") or []
            for run in self.plan.selected(study, entry)
            for pool in listed(entry["pool"])
        ]
        return list(dict.fromkeys(paths))

    def search_files(self, study: str, view: Definition | None = None) -> dict[str, list[str]]:
        """What searches are made of: results of tested runs, and trainings of those that are run for a choice.

        With a view of a search, of the runs that it shows, those of its baseline among them.
        """
        names = {}
        if view and "search" in view:
            names = {key: view.get(key) for key in ("dataset", "model")} | {"recipe": list(view["points"])}
            names["training_set"] = [view["baseline"], *view["training_set"]]
        of = {"searched": ("metrics.json", self.plan.searched), "trainings": ("training.json", self.plan.choosing)}
        return {
            kind: list(dict.fromkeys(f"{layout.job_folder(run.job)}/{file}" for run in runs[study] if run.named(names)))
            for kind, (file, runs) in of.items()
        }

    def explanation_files(self, study: str, view: Definition | None = None) -> list[str]:
        """The explanations that a study asks for; with a view, of the runs and the explainer that it names."""
        return self._files_of_runs(layout.EXPLANATION, "explanations", "explainer", study, view or {})

    def corruption_files(self, study: str, view: Definition | None = None) -> list[str]:
        """The tests on corrupted images that a study asks for; with a view, of the runs and corruption that it names.

        The runs that a view compares with (`baseline`, `baseline_model`) are among them.
        """
        view = dict(view or {})
        for key, other in (("training_set", "baseline"), ("model", "baseline_model")):
            if key in view and other in view:
                view[key] = [*listed(view[key]), view[other]]
        return self._files_of_runs(layout.CORRUPTION, "robustness", "corruption", study, view)

    def _files_of_runs(self, form: str, section: str, key: str, study: str, view: Definition) -> list[str]:
        """The files, of a form, of an entry's runs beside each name that the entry has under a key."""
        paths = [
            form.format(**run.job._asdict(), training_set=run.training_set, **{key: name})
            for entry in self.plan.studies[study].get(section) or []
            for run in self.plan.selected(study, entry)
            if run.seed in entry["seeds"] and run.named(view)
            for name in listed(entry[key])
            if name == view.get(key, name)
        ]
        return list(dict.fromkeys(paths))

    def targets(self, study: str, report: bool = True) -> list[str]:
        """Everything that a study builds."""
        definition, folder = self.plan.studies[study], layout.STUDY.format(study=study)
        kinds = ("csv", "md", "tex", "html")
        tables = [f"{folder}/tables/{name}.{kind}" for name in definition["tables"] for kind in kinds]
        figures = [
            f"{folder}/figures/{name}.{kind}" for name in definition["figures"] for kind in ("svg", "pdf", "png")
        ]
        runs = [f"{folder}/experiments.csv", f"{folder}/comparisons.csv"] if definition["runs"] else []
        measured = [*self.score_files(study), *self.audit_files(study), *self.detection_files(study)]
        measured += [*self.explanation_files(study), *self.corruption_files(study)]
        measured += itertools.chain(*self.search_files(study).values())
        reports = [f"{folder}/{name}" for name in layout.REPORT] if report else []
        return [*runs, *tables, *figures, *measured, *reports]
