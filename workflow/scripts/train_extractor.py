"""Train the classifier whose features score pools, on one half of the train split."""

from synthmix import job, units
from synthmix.extractors import classifier
from synthmix.files import read_json, write_json
from synthmix.images import mapped, reading
from synthmix.images.draws import TrainingSet
from synthmix.images.stratify import split_halves
from synthmix.interruption import Interruption
from synthmix.models import feature_cnn
from synthmix.spec import digest
from synthmix.store import Entry
from synthmix.training import Data, fit, tensors

spec = job.start(snakemake)
device = job.device(snakemake)
definition = spec["extractor"]
meta = read_json(snakemake.input.meta)
on_disk = reading.many(meta, ("train", "val"), [])
train, val = (reading.split(snakemake.input[each], on_disk) for each in ("train", "val"))
half, _ = split_halves(train.labels, definition["seed"])
chosen = TrainingSet(mapped.chosen(train.images, half), train.labels[half], len(half), None)
seen = Data(chosen, val.images, val.labels, len(meta["classes"]))
recipe = {"optimizer": "adamw", "schedule": "cosine", "precision": "float32", "checkpoint": "last"}
recipe |= {key: definition[key] for key in ("learning_rate", "batch_size", "epochs")}
entry = Entry(units.entry(digest(snakemake.params.spec), units.content(meta)))
with entry.locked():
    task = {"model": definition["model"], "recipe": recipe, "scale": "unit"}
    stop = Interruption(job.settings()["checkpoint_seconds"])
    state = fit(feature_cnn.build, task, definition["seed"], seen, entry, stop, device)
shape = {"channels": meta["channels"], "size": meta["size"][0], "classes": len(meta["classes"])}
network = feature_cnn.build(definition["model"], *shape.values())
parameters = tensors(state["model"])
network.load_state_dict({name: parameters[f"network.{name}"] for name in network.state_dict()})
classifier.save(snakemake.output.weights, network, {"model": definition["model"], **shape})
write_json(snakemake.output.facts, {"spec": spec, "history": state["history"], **state["facts"]})
job.finish(snakemake)
