"""How the classifiers of a study are made, trained and judged, in words with citations."""

from collections.abc import Iterator, Mapping
from typing import Any

from synthmix.planning import initial_weights
from synthmix.reports.formatting import run_metric_title

Definition = Mapping[str, Any]
Definitions = Mapping[str, Mapping[str, Definition]]

# Beginnings of the names of published networks, and where they were published.
PUBLISHED = {"resnet": "he2016", "vit_": "dosovitskiy2021", "vgg": "simonyan2015", "mobilenet_v2": "sandler2018"}
PUBLISHED |= {"mobilenetv2": "sandler2018", "efficientnet": "tan2019", "tf_efficientnet": "tan2019"}
OPTIMIZERS = {"sgd": "SGD", "adam": "Adam [@kingma2015]", "adamw": "AdamW [@loshchilov2019]"}
AUGMENTATIONS = {
    "flip": "mirrored at random",
    "crop": "shifted and mirrored at random",
    "shift": "shifted at random",
    "strong": "augmented strongly",
    "rotate": "rotated by up to 15 degrees and mirrored at random",
    "random_resized_crop": "cropped at random, resized and mirrored [@szegedy2015]",
}
STOPS = {
    "train_error_constant_epochs": "ended by {} epochs with equally many training errors",
    "val_patience_epochs": "ended by {} epochs without a better accuracy on val",
    "max_seconds": "ended after {:g} seconds",
}
VIEWS = {
    "threshold": "Interpolation thresholds follow [@belkin2019], with a tolerance as in [@nakkiran2020].",
    "power_law": "Learning curves are power laws in the number of real training images [@hestness2017].",
    "overtaking": "Learning curves of two models are compared over the number of real images [@hestness2017].",
    "saturation": (
        "What more and more generated images add is fitted by curves that level off: exponentials, or power laws with "
        "a floor [@hestness2017]."
    ),
    "searched": (
        "In a search, every training set meets the same points of a grid, and chooses by accuracy on val; the choice "
        "stands beside the fixed recipe."
    ),
    "faithfulness": "Class activation maps are judged by deletion and insertion [@petsiuk2018].",
}


def models(used: Definitions) -> Iterator[str]:
    """A sentence for each model, or one for all that differ in their sizes alone."""
    alike: dict[tuple[str, str], list[str]] = {}
    for name, each in used["models"].items():
        alike.setdefault(_block(each) or (name, ""), []).append(name)
    for (noun, about), names in alike.items():
        sizes = [_sizes(used["models"][name]) for name in names]
        if len(names) > 1:
            listed = "; ".join(f"`{name}` {size}" for name, size in zip(names, sizes, strict=True))
            yield f"There are {len(names)} {noun}s {about}: {listed}."
        elif about:
            yield f"`{names[0]}` is a {noun} {about}, {sizes[0]}."
        else:
            yield f"`{names[0]}` is {_model(used['models'][names[0]])}."


def _block(each: Definition) -> tuple[str, str] | None:
    """Noun and particulars of the networks that come in many sizes; None for others."""
    if each["architecture"] == "vit_block":
        return "minimal vision transformer", "[@dosovitskiy2021]"
    if each["architecture"] == "cnn_block":
        start = "in a mean-field parametrisation [@yang2021]" if each.get("parametrisation") else "after [@he2015]"
        return "minimal convolutional network", f"of three convolutions and one hidden layer, initialised {start}"
    return None


def _sizes(each: Definition) -> str:
    if each["architecture"] == "vit_block":
        parts = f"{_of(each['layers'], 'layer')} and {_of(each['heads'], 'head')}"
        return f"of width {each['width']} with {parts} on patches of {each['patch']} pixels"
    return f"from {_of(each['width'], 'channel')} on" if each["architecture"] == "cnn_block" else ""


def _model(each: Definition) -> str:
    kind = each["architecture"]
    if kind == "feature_cnn":
        return f"a small convolutional network from {each['width']} channels on"
    if kind == "resnet":
        stem = {"cifar": "3 x 3", "imagenet": "7 x 7"}[each["stem"]]
        return f"a ResNet-{each['depth']} [@he2016] from {each['width']} channels on, with a {stem} stem"
    key = next((key for start, key in PUBLISHED.items() if each["name"].startswith(start)), None)
    weights = "pretrained weights" if initial_weights.wanted(each) else "random weights"
    if each.get("random_layers"):
        weights += f" but for {', '.join(each['random_layers'])}"
    return f"`{each['name']}` of {kind}{f' [@{key}]' if key else ''} with {weights}{_head(each.get('head') or {})}"


def _head(each: Definition) -> str:
    if not each:
        return ""
    more = ["batch norm"] * bool(each.get("batch_norm"))
    more += [f"dropout of {each['dropout']:g}"] * bool(each.get("dropout"))
    return f" and a head with {each['hidden']} hidden units" + (f" ({', '.join(more)})" if more else "")


def _of(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def recipes(used: Definitions) -> Iterator[str]:
    """A sentence for each recipe."""
    for name, each in used["recipes"].items():
        yield f"`{name}`: {', '.join(_recipe(each))}."


def _recipe(each: Definition) -> Iterator[str]:
    momentum = f" with momentum {each['momentum']:g}" if each.get("momentum") else ""
    scaled = " times the model's width" if each.get("width_scaled") else ""
    yield f"{OPTIMIZERS[each['optimizer']]}{momentum} at a rate of {each['learning_rate']:g}{scaled}"
    if each.get("weight_decay"):
        yield f"weight decay {each['weight_decay']:g}"
    if each["schedule"] != "constant":
        yield {"cosine": "cosine schedule [@loshchilov2017]"}.get(each["schedule"], f"{each['schedule']} schedule")
    yield f"batches of {each['batch_size']}"
    yield f"{each['steps']:,} steps for every training set" if each.get("steps") else f"{each['epochs']} epochs"
    if each.get("warmup_steps"):
        yield f"{each['warmup_steps']} steps of warm-up"
    if each.get("layer_decay"):
        yield f"rates that fall by {each['layer_decay']:g} from layer to layer [@clark2020]"
    if each.get("head_rate"):
        yield f"the rate times {each['head_rate']:g} in the head"
    if each.get("freeze"):
        yield f"{', '.join(each['freeze'])} frozen"
    if each.get("clip"):
        yield f"gradients scaled down to a norm of {each['clip']:g}"
    if each.get("label_smoothing"):
        yield f"label smoothing {each['label_smoothing']:g}"
    if each["augment"] != "none":
        yield f"images {AUGMENTATIONS[each['augment']]}"
    if each["precision"] != "float32":
        yield f"{each['precision']} by autocast"
    yield from (STOPS[rule].format(value) for rule, value in (each.get("stop") or {}).items())
    yield "the weights best on val" if each["checkpoint"] == "best-val" else "the last weights"


def evaluation(spec: Definition) -> Iterator[str]:
    """How trained classifiers are tested and compared."""
    if not spec["runs"]:
        return
    yield "A seed decides the draw of images, the initial weights, and order and augmentation of the training."
    yield "Training sees no test image; each trained classifier meets the test split once."
    judged = run_metric_title(spec.get("metric", "accuracy"))
    yield f"Classifiers are judged by {judged}; means have t intervals over seeds."
    if spec.get("primary") or spec["comparisons"]:
        joint = "a second interval that resamples seeds and test images jointly [@owen2007], "
        if spec.get("metric") == "auroc":
            joint = f"with two classes {joint}"
        if spec.get("metric") == "macro_f1":  # which is no mean over test images
            joint = ""
        yield (
            "Training sets are compared in pairs with the same seed: the mean difference with a t interval over seeds, "
            f"{joint}and an exact two-sided sign-flip test."
        )
    if spec["comparisons"]:
        others = "All comparisons but the primary one" if spec.get("primary") else "Comparisons"
        yield f"{others} are corrected by Holm's method [@holm1979]."
    shown = {view["kind"] for stage in ("tables", "figures") for view in spec[stage]}
    yield from (sentence for kind, sentence in VIEWS.items() if kind in shown)
