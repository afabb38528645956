"""The methods of a study in words, with citations, written from the definitions that it uses and from nothing else."""

from collections.abc import Iterator, Mapping
from typing import Any

from synthmix.analysis import published
from synthmix.planning import kinds
from synthmix.reports import classifier_methods
from synthmix.reports.formatting import metric_title

Definition = Mapping[str, Any]
Definitions = Mapping[str, Mapping[str, Definition]]  # section -> name -> definition
Paragraph = tuple[str, str]  # heading and text

# (source, name) of data sets whose publication is known.
DATASETS = {
    ("embedded", "digits"): "alpaydin1998",
    ("torchvision", "MNIST"): "lecun1998",
    ("torchvision", "CIFAR10"): "krizhevsky2009",
    ("torchvision", "CIFAR100"): "krizhevsky2009",
}
SOURCES = {
    "embedded": "of scikit-learn",
    "torchvision": "of torchvision",
    "hub": "of the Hugging Face hub",
    "parquet": "read from Parquet files",
    "folder": "read from folders of images",
}
SAMPLERS = {"dpm-solver++": "DPM-Solver++ [@lu2022]", "ddim": "DDIM [@song2021]"}
METRICS = {
    "isc": "[@salimans2016]",
    "fid": "[@heusel2017]",
    "fd_infinity": "[@chong2020]",
    "kid": "[@binkowski2018]",
    "cmmd": "[@jayasumana2024]",
    "precision": "[@kynkaanniemi2019]",
    "recall": "[@kynkaanniemi2019]",
    "density": "[@naeem2020]",
    "coverage": "[@naeem2020]",
}
EXTRACTORS = {
    "inception": "Inception [@szegedy2016]",
    "dinov2": "DINOv2 [@oquab2024]",
    "clip": "CLIP's image encoder [@radford2021]",
}
FILTERS = {
    "confidence": "those of which a classifier is surest",
    "clip_score": "those that fit a text best, by the cosine of CLIP's embeddings [@hessel2021]",
    "distance": "those {prefer} to real train images of their class",
    "diversity": "a diverse set, by farthest-point traversal [@gonzalez1985; @sener2018]",
}
EXPLAINERS = {
    "masking": "accuracy without single attention heads and without parts of layers [@michel2019]",
    "attention": "attention of the class token and attention rollout [@abnar2020]",
    "feature_maps": "feature maps of convolutional layers",
}
CAMS = {
    "grad_cam": "Grad-CAM [@selvaraju2017]",
    "grad_cam_plus_plus": "Grad-CAM++ [@chattopadhay2018]",
    "score_cam": "Score-CAM [@wang2020]",
    "eigen_cam": "Eigen-CAM [@muhammad2020]",
}
CORRUPTIONS = {
    "blur": "Gaussian blur [@hendrycks2019]",
    "noise": "Gaussian noise [@hendrycks2019]",
    "jpeg": "JPEG compression [@hendrycks2019]",
    "low_light": "low light [@lore2017]",
    "occlusion": "occlusion by a square [@devries2017]",
}


def paragraphs(spec: Definition) -> list[Paragraph]:
    """The methods of a study; spec: that of its report. A heading appears where it has something."""
    used: Definitions = spec["definitions"]
    parts = {
        "Data": _data(used),
        "Generators": _generators(used),
        "Pools of generated images": _pools(used),
        "Filters": _filters(used),
        "Classifiers": classifier_methods.models(used),
        "Training": classifier_methods.recipes(used),
        "Scores": _scores(spec),
        "Looking into classifiers": _explained(used),
        "Evaluation": classifier_methods.evaluation(spec),
    }
    written = [(heading, " ".join(sentences)) for heading, sentences in parts.items()]
    return [(heading, text) for heading, text in written if text]


def listed(texts: list[str]) -> str:
    """Texts as an enumeration: a, b and c."""
    return " and ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts)


def _data(used: Definitions) -> Iterator[str]:
    for name, each in used["datasets"].items():
        key = DATASETS.get((each["source"], each.get("name", "")))
        called = f"`{each['name']}` " if each.get("name") else ""
        text = f"Data set `{name}`: {called}{SOURCES[each['source']]}{f' [@{key}]' if key else ''}"
        if each.get("resolution"):
            text += f", at {each['resolution']} x {each['resolution']} pixels"
        if each.get("one_per"):
            text += f", one image of each `{each['one_per']}`"
        if each.get("merge"):
            text += ", with merged classes"
        if each.get("limit"):
            text += f", limited to a part ({', '.join(f'{key}: {n}' for key, n in each['limit'].items())})"
        yield f"{text}."
    if used["datasets"]:
        yield "Splits that a source lacks are cut from its train split once, stratified by class."
        yield "Every image, real or generated, passes one chain of resizing and encoding."
    if any(each.get("resolution") for each in used["datasets"].values()):
        yield "Images are resized at their shorter side and cut to a centred square; transparency is dropped."


def _generators(used: Definitions) -> Iterator[str]:
    for name, each in used["generators"].items():
        yield f"`{name}` {_generator(each)}."


def _generator(each: Definition) -> str:
    way = kinds.trainer(dict(each))
    if each["kind"] == "files":
        return "stands for images that others generated, read from files"
    if each["kind"] == "ddpm":
        return (
            "is a class-conditional denoising diffusion model [@ho2020] on pixels, a U-Net of diffusers with "
            f"{_network(each)}{_smaller(each)}; {_trained(each)}, {_seen(each)}{_averaged(each)}"
        )
    pipeline = f"`{each.get('pipeline') or 'stable-diffusion-v1-5/stable-diffusion-v1-5'}`"
    if way == "train_from_scratch":
        own = each[way]
        text = (
            "is a small text-to-image diffusion model [@ho2020] on pixels, with a text encoder of its own and a U-Net "
            f"of diffusers with {_network(own)}; {_trained(own)}, on all of train with captions{_averaged(own)}"
        )
        return text + _started(each)
    kind = "class-conditional" if each["kind"] == "class2image" else "text-to-image"
    text = f"is the published {kind} pipeline {pipeline}"
    if each.get("revision"):
        text += f" at revision `{each['revision']}`"
    if each["kind"] == "text2image":
        text += " (latent diffusion [@rombach2022])" if "stable-diffusion" in pipeline else ""
        text += f", asked by {'prompts of each class' if each.get('prompts') else 'one template of prompts'}"
    tuned = {"lora": "low-rank adaptation [@hu2022]", "textual_inversion": "textual inversion [@gal2023]"}
    if way in tuned:
        own = each[way]
        text += f", fine-tuned on all of train by {tuned[way]} for {own['steps']} steps of {own['batch_size']} images"
    text += _started(each)
    safety = {"record": "used", "drop": "left out", "replace": "drawn again"}.get(each.get("safety") or "")
    return f"{text}; images that its safety checker flags are {safety}" if safety else text


def _started(each: Definition) -> str:
    own = each.get("img2img")
    return f", starting from real train images with strength {own['strength']:g}" if own else ""


def _smaller(each: Definition) -> str:
    size = each.get("resolution")
    return f", at {size} x {size} pixels, from which images are resized" if size else ""


def _network(each: Definition) -> str:
    return f"{', '.join(map(str, each['channels']))} channels and {_layers(each['layers_per_block'])} a level"


def _layers(number: int) -> str:
    return f"{number} residual layer{'' if number == 1 else 's'}"


def _trained(each: Definition) -> str:
    predicted = {"v_prediction": "velocity [@salimans2022]", "epsilon": "noise"}[each["prediction"]]
    schedule = {"squaredcos_cap_v2": "a cosine noise schedule [@nichol2021]", "linear": "a linear noise schedule"}
    hidden = each.get("label_dropout", each.get("caption_dropout", 0))
    how = [f"{100 * hidden:g} % without their class"] if hidden else []
    how += ["mirrored at random"] if each.get("augment") == "flip" else []
    seen = f" ({', '.join(how)})" if how else ""
    text = (
        f"it predicts the {predicted} under {schedule[each['noise_schedule']]} of {each['train_timesteps']} steps, "
        f"and is trained with AdamW [@loshchilov2019] for {each['steps']} steps of {each['batch_size']} images"
        f"{seen} at a rate of {each['learning_rate']:g}"
    )
    return text + (f" after {each['warmup_steps']} steps of warm-up" if each.get("warmup_steps") else "")


def _averaged(each: Definition) -> str:
    decay = each.get("ema_decay")
    return f"; images are drawn with the moving average of its weights (decay {decay:g})" if decay else ""


def _seen(each: Definition) -> str:
    if each.get("train_on"):
        return f"once per seed on the {each['train_on']['real']} real images a class that this seed's classifier sees"
    return "on all of train"


def _pools(used: Definitions) -> Iterator[str]:
    starts = set[bool]()  # whether sampling leaves out the noisiest times
    for name, each in used["pools"].items():
        text = f"`{name}`: {each['per_class']} images a class of `{each['generator']}`"
        generator = used["generators"][each["generator"]]
        if generator["kind"] != "files":
            guidance = each["guidance"]
            guided = (
                "without guidance" if guidance == 1 else f"classifier-free guidance [@ho2022] of scale {guidance:g}"
            )
            text += f", drawn by {SAMPLERS[each['sampler']]} in {each['steps']} steps, {guided}"
            own = generator.get("train_from_scratch") or generator
            if "prediction" in own and not generator.get("img2img"):
                starts.add(own["prediction"] == "epsilon" and each["sampler"] == "dpm-solver++")
        yield f"{text}."
    if starts:
        yield "Sampling of networks trained here starts at pure noise, as training ends [@lin2024]."
    if True in starts:
        yield "Of those that predict noise, DPM-Solver++ leaves out steps where log(signal / noise) is below -5.1."


def _filters(used: Definitions) -> Iterator[str]:
    for name, each in used["filters"].items():
        chosen = FILTERS[each["kind"]].format(prefer=each.get("prefer"))
        yield (
            f"`{name}` keeps {each['keep']} of the first {each['among']} images a class: {chosen} "
            f"(`{each['extractor']}`)."
        )


def _scores(spec: Definition) -> Iterator[str]:
    extractors: Mapping[str, Definition] = spec["definitions"]["extractors"]
    for name, each in extractors.items():
        yield f"Features `{name}`: {_extractor(each)}."
    for name, each in extractors.items():
        entries = [entry for entry in spec["scores"] if name in entry["extractor"]]
        metrics = list(dict.fromkeys(metric for entry in entries for metric in entry["metrics"]))
        if metrics:
            named = [f"{_in_sentence(metric_title(metric, each['kind']))} {METRICS[metric]}" for metric in metrics]
            yield f"In `{name}`, pools are scored by {listed(named)}, beside the floors of real against real images."
            if any(published.STANDARD.get(metric, each["kind"]) != each["kind"] for metric in metrics):
                yield "Outside the features that define them, distances are not comparable with published ones."
    if spec["audits"]:
        yield "Copies are searched among nearest real images, by a threshold that held-out real images set."
    if spec["detections"]:
        yield (
            "Small classifiers learn to tell generated from real images; their interval allows for the overlap of "
            "training sets [@nadeau2003]."
        )
    if spec["cross_tests"]:
        yield "Classifiers trained on real images are tested on generated ones, too."


def _in_sentence(title: str) -> str:
    """A title within a sentence: in lower case but for names."""
    names = ("FID", "KID", "CMMD", "Inception", "Frechet", "Gaussian")
    return title if title.startswith(names) else title[:1].lower() + title[1:]


def _extractor(each: Definition) -> str:
    if each["kind"] == "classifier":
        seen = each.get("train_on")
        where = f"once per seed on {seen['real']} real images a class" if seen else "on one half of train"
        return f"a small convolutional classifier trained here {where} for {each['epochs']} epochs"
    if each["kind"] == "timm":
        return f"`{each['variant']}` of timm with published weights, on {each['image_size']} pixels"
    variant = f" (`{each['variant']}`)" if each.get("variant") else ""
    return f"{EXTRACTORS[each['kind']]}{variant} with published weights"


def _explained(used: Definitions) -> Iterator[str]:
    for name, each in used["explainers"].items():
        if each["kind"] == "cam":
            yield f"`{name}`: class activation maps by {listed([CAMS[method] for method in each['methods']])}."
        else:
            yield f"`{name}`: {EXPLAINERS[each['kind']]}."
    for name, each in used["corruptions"].items():
        kinds_of = listed([CORRUPTIONS[kind] for kind in each["kinds"]])
        severities = listed([str(severity) for severity in each["severities"]])
        yield f"`{name}`: test images with {kinds_of}, in severities {severities} of 1 to 5."
