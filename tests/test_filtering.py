"""Filters: which images each kind prefers, what is kept of a pool, and what a run draws from it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from networks import CLIP, save_clip_with_text
from safetensors.torch import load_file, save_file

from synthmix.data import Split
from synthmix.extractors import clip
from synthmix.features.extraction import FeatureExtractor, Features
from synthmix.files import DamagedFileError
from synthmix.filtering import TooFewImagesError, View, choose
from synthmix.filters import clip_score, confidence, distance, diversity
from synthmix.images import kept as tables
from synthmix.images import pools
from synthmix.images.draws import assemble
from synthmix.images.kept import Kept
from synthmix.images.pools import Pool
from synthmix.networks.weights import MissingWeightsError

CLASSES = ["cat", "dog", "owl"]
TRAIN = Split(np.zeros((3, 2, 2, 1), np.uint8), np.arange(3), np.arange(3))


def pool_of(per_class: int, seeds: tuple[int, ...] = (-1,), flagged: tuple[int, ...] = ()) -> Pool:
    """A pool in mixed order; the first pixel of an image is its index, the second its class, the third its seed + 1."""
    rows = [(seed, label, index) for seed in seeds for label in range(len(CLASSES)) for index in range(per_class)]
    seed, label, index = np.random.default_rng(0).permutation(np.array(rows)).T
    images = np.stack([index, label, seed + 1, index * 0], 1).astype(np.uint8).reshape(-1, 2, 2, 1)
    return Pool(images, label, index, seed, np.isin(index, flagged))


@dataclass
class Given:
    """A view with fabricated features, the same for generated and real images of one number."""

    generated: Features
    real: Features | None = None
    classes: tuple[str, ...] = tuple(CLASSES)

    def features(self, images: Pool) -> Features:
        return self.generated

    class extractor:  # noqa: N801 (stands for an attribute)
        name = "given"


def features(values: list[list[float]] | np.ndarray, labels: list[int], logits: np.ndarray | None = None) -> Features:
    return Features(np.array(values, dtype=np.float32), np.array(labels), logits)


def images_of(labels: list[int]) -> Pool:
    """Images numbered in their class in the order given."""
    index = [labels[:row].count(label) for row, label in enumerate(labels)]
    n = len(labels)
    blank = np.zeros((n, 2, 2, 1), np.uint8)
    return Pool(blank, np.array(labels), np.array(index), np.full(n, -1), np.zeros(n, bool))


# ---- what each kind prefers ------------------------------------------------------------------------------------------


def test_confidence_is_the_probability_of_the_own_class() -> None:
    labels = [0, 1, 2, 0]
    logits = np.array([[2.0, 0, 0], [2, 0, 0], [0, 0, 3], [90, 0, 0]], dtype=np.float32)
    found = confidence.scores({}, images_of(labels), [None] * 4, Given(features(np.zeros((4, 1)), labels, logits)))
    expected = [np.exp(2) / (np.exp(2) + 2), 1 / (np.exp(2) + 2), np.exp(3) / (np.exp(3) + 2), 1]
    np.testing.assert_allclose(np.exp(found), expected)
    assert found[3] < 0, "probabilities near 1 stay apart"


def test_confidence_needs_an_output_for_each_class() -> None:
    for logits in (None, np.zeros((1, 5), np.float32)):
        with pytest.raises(ValueError, match="given is no classifier of the 3 classes"):
            confidence.scores({}, images_of([0]), [None], Given(features([[0.0]], [0], logits)))


def test_distance_is_to_the_nearest_real_image_of_the_class() -> None:
    generated = features([[0, 0], [3, 4], [10, 0]], [0, 0, 1])
    real = features([[0, 1], [30, 40], [10, 0], [13, 4]], [0, 0, 0, 1])
    near = distance.scores({"prefer": "nearest"}, images_of([0, 0, 1]), [None] * 3, Given(generated, real))
    np.testing.assert_allclose(near, [-1, -np.sqrt(18), -5])
    far = distance.scores({"prefer": "farthest"}, images_of([0, 0, 1]), [None] * 3, Given(generated, real))
    np.testing.assert_array_equal(far, -near)


def test_distance_to_a_class_without_real_images_is_refused() -> None:
    with pytest.raises(ValueError, match="train has no image of class dog"):
        distance.scores(
            {"prefer": "nearest"}, images_of([1]), [None], Given(features([[0]], [1]), features([[0]], [0]))
        )


def test_diversity_chooses_the_farthest_point_each_time() -> None:
    points = [[4.9], [0.0], [10.0], [0.1], [7.0], [5.0]]
    found = diversity.scores({}, images_of([0] * 6), [None] * 6, Given(features(points, [0] * 6)))
    # the mean is 4.5: first 4.9, then 10 (5.1 away), 0 (4.9), 7 (2.1); 0.1 and 5 are each 0.1 from a chosen one
    np.testing.assert_allclose(found, [np.inf, 4.9, 5.1, 0.1, 2.1, 0.1], rtol=1e-5)


def test_the_order_of_diversity_scores_is_the_order_of_choice() -> None:
    points = np.random.default_rng(0).integers(0, 4, (60, 2)).astype(float)  # with many ties and equal points
    found = diversity.insertion_distances(points)
    order = np.lexsort((np.arange(60), -found))
    for position in range(1, 60):
        chosen, left = points[order[:position]], points[order[position:]]
        gaps = np.linalg.norm(left[:, None] - chosen[None], axis=2).min(axis=1)
        assert gaps[0] == gaps.max() == found[order[position]]


def test_diversity_is_per_class_and_whatever_the_order_of_the_file() -> None:
    values, labels = np.random.default_rng(1).normal(size=(20, 3)), np.repeat([0, 1], 10)
    images = images_of(labels.tolist())
    straight = diversity.scores({}, images, [None] * 20, Given(features(values, labels.tolist())))
    order = np.random.default_rng(2).permutation(20)
    mixed = diversity.scores(
        {}, images.select(order), [None] * 20, Given(features(values[order], labels[order].tolist()))
    )
    np.testing.assert_allclose(mixed, straight[order])
    assert np.isinf(straight).sum() == 2
    np.testing.assert_allclose(straight[:10], diversity.insertion_distances(values[:10].astype(np.float32)), rtol=1e-6)


# ---- CLIP ------------------------------------------------------------------------------------------------------------

WORDS = ["a", "photo", "of", "cat", "dog", "owl"]


def clip_view(folder: Path) -> View:
    extractor = clip.build(CLIP, folder, folder, offline=True)
    return View(TRAIN, CLASSES, extractor, CLIP, folder, folder, True, "cpu")


def pictures(n: int) -> Pool:
    images = np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), dtype=np.uint8)
    return Pool(images, np.arange(n) % 3, np.arange(n) // 3, np.full(n, -1), np.zeros(n, bool))


def test_clip_score_is_the_cosine_that_clip_itself_gives(tmp_path: Path) -> None:
    network, images = save_clip_with_text(tmp_path, WORDS), pictures(6)
    view = clip_view(tmp_path)
    found = clip_score.scores({"template": "a photo of a {class}"}, images, [None] * 6, view)
    pixels = view.extractor.network.preprocess(torch.from_numpy(images.images).permute(0, 3, 1, 2))
    tokens = torch.tensor([[0, 3, 4, 5, 3, 6 + label, 1] for label in range(3)])
    with torch.no_grad():
        theirs = network(input_ids=tokens, pixel_values=pixels).logits_per_image / network.logit_scale.exp()
    np.testing.assert_allclose(found, theirs.numpy()[np.arange(6), images.labels], rtol=1e-4, atol=1e-5)
    assert len(set(found.round(6))) == 6


def test_clip_score_takes_the_prompts_of_images(tmp_path: Path) -> None:
    save_clip_with_text(tmp_path, WORDS)
    view, images = clip_view(tmp_path), pictures(3)
    by_template = clip_score.scores({"template": "{class}"}, images, [None] * 3, view)
    np.testing.assert_array_equal(clip_score.scores({}, images, CLASSES, view), by_template)
    assert np.isfinite(clip_score.scores({}, images, ["a photo of a cat " * 9] * 3, view)).all(), "long texts are cut"
    with pytest.raises(ValueError, match="images without prompts: give the filter a template"):
        clip_score.scores({}, images, ["cat", None, "owl"], view)


def test_clip_score_refuses_weights_without_text_and_names_what_is_missing(tmp_path: Path) -> None:
    save_clip_with_text(tmp_path, WORDS)
    weights = load_file(tmp_path / "model.safetensors")
    save_file({k: v for k, v in weights.items() if "text_projection" not in k}, tmp_path / "model.safetensors")
    with pytest.raises(ValueError, match="lacks weights of CLIP's text tower: download someone/tiny-clip"):
        clip_score.embed(["cat"], CLIP, tmp_path, tmp_path, offline=True)
    (tmp_path / "tokenizer.json").unlink()
    with pytest.raises(MissingWeightsError, match=r"tokenizer\.json"):
        clip_score.embed(["cat"], CLIP, tmp_path, tmp_path, offline=True)


# ---- what is kept ----------------------------------------------------------------------------------------------------

SELECTION = {"among": 8, "keep": 3}
VIEW = View(TRAIN, CLASSES, None, {}, None, Path(), True, "cpu")  # type: ignore[arg-type] (the scores below use none)


def test_features_are_extracted_in_the_precision_of_the_extractor() -> None:
    class Weighted(torch.nn.Module):
        def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, None]:
            return images.float().flatten(1) @ torch.full((12, 1), 0.1), None

    extractor = FeatureExtractor("sum", Weighted(), 1, "0" * 64, {})
    found = {}
    for precision in ("float32", "bfloat16"):
        view = View(TRAIN, CLASSES, extractor, {"precision": precision}, None, Path(), True, "cpu")
        found[precision] = view.features(pool_of(8)).values
        assert view.real.values.shape == (3, 1)
    np.testing.assert_allclose(found["bfloat16"], found["float32"], rtol=0.01)
    assert (found["bfloat16"] != found["float32"]).any()


def by_index(selection: object, images: Pool, prompts: object, view: View) -> np.ndarray:
    """Prefers the indices 6, 5 and 7 in this order, then the others from the end."""
    return np.select([images.index == 6, images.index == 5], [20.0, 10.0], images.index.astype(float))


def chosen(pool: Pool, selection: dict[str, int] = SELECTION) -> Kept:
    return choose(by_index, selection, pool, [None] * len(pool.labels), VIEW, "filter f of pool p")


def test_the_best_of_the_first_images_of_each_class_are_kept_in_order() -> None:
    found = chosen(pool_of(12))
    assert found.label.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert found.index.tolist() == [6, 5, 7] * 3
    assert found.rank.tolist() == [0, 1, 2] * 3
    assert found.score.tolist() == [20, 10, 7] * 3


def test_a_grown_pool_changes_nothing() -> None:
    small, large = chosen(pool_of(8)), chosen(pool_of(20))
    for name, values in vars(small).items():
        np.testing.assert_array_equal(values, getattr(large, name))


def test_of_equal_scores_the_lower_index_comes_first() -> None:
    pool = pool_of(8)
    found = choose(lambda s, images, *_: np.zeros(len(images.labels)), SELECTION, pool, [None] * 24, VIEW, "")
    assert found.index.tolist() == [0, 1, 2] * 3


def test_flagged_images_are_left_out_and_too_few_are_an_error() -> None:
    assert chosen(pool_of(8, flagged=(6, 7))).index.tolist() == [5, 4, 3] * 3
    with pytest.raises(
        TooFewImagesError, match=r"filter f of pool p: class cat has 2 images .* first 8, and keep is 3"
    ):
        chosen(pool_of(8, flagged=(0, 1, 2, 3, 4, 5)))
    with pytest.raises(TooFewImagesError, match="class cat has 2 images"):
        chosen(pool_of(2))


def test_images_of_another_seeds_generator_do_not_compete() -> None:
    seen = []

    def scores(selection: object, images: Pool, prompts: list[str], view: View) -> np.ndarray:
        seen.append(set(images.seed.tolist()))
        assert prompts == [f"{seed} {label} {index}" for seed, label, index in zip(*columns(images), strict=True)]
        return by_index(selection, images, prompts, view)

    def columns(images: Pool) -> tuple[np.ndarray, ...]:
        return images.seed, images.labels, images.index

    pool = pool_of(10, seeds=(0, 3))
    prompts = [f"{seed} {label} {index}" for seed, label, index in zip(*columns(pool), strict=True)]
    found = choose(scores, SELECTION, pool, prompts, VIEW, "")
    assert seen == [{0}, {3}]
    assert found.seed.tolist() == [0] * 9 + [3] * 9
    assert found.index.tolist() == [6, 5, 7] * 6


def test_a_score_that_is_no_number_is_refused() -> None:
    with pytest.raises(ValueError, match="an image has no score"):
        choose(lambda s, images, *_: np.full(len(images.labels), np.nan), SELECTION, pool_of(8), [None] * 24, VIEW, "f")


def test_prompts_are_read_in_the_order_of_the_images(tmp_path: Path) -> None:
    paths = [tmp_path / "a.parquet", tmp_path / "b.parquet"]
    blank = np.zeros((2, 4, 4, 3), np.uint8)
    pools.write_shard(paths[0], blank, np.array([0, 1]), np.array([0, 0]), None, ["a cat", "a dog"])
    pools.write_shard(paths[1], blank, np.array([0, 1]), np.array([1, 1]), None)
    assert pools.read_prompts(paths) == ["a cat", "a dog", None, None]


def test_tables_are_read_back_and_joined(tmp_path: Path) -> None:
    parts = [chosen(pool_of(8, seeds=(seed,))) for seed in (0, 1)]
    paths = [tmp_path / f"results/filters/data/p/seeds{seed}/f.parquet" for seed in (0, 1)]
    for path, part in zip(paths, parts, strict=True):
        tables.write(path, part)
    found = tables.read_filtered(list(map(str, paths)))
    assert list(found) == [("p", "f")]
    for name, values in vars(found["p", "f"]).items():
        np.testing.assert_array_equal(values, np.concatenate([getattr(part, name) for part in parts]))
        np.testing.assert_array_equal(values, getattr(tables.joined(parts), name))
    paths[0].write_bytes(paths[0].read_bytes()[:-20])
    with pytest.raises(DamagedFileError):
        tables.read(paths)


# ---- what a run draws ------------------------------------------------------------------------------------------------


def drawn(seed: int, synthetic: int, pool: Pool, kept: Kept, **more: object) -> set[tuple[int, int, int]]:
    """(index, class, seed + 1) of the images of a run; each class must have as many."""
    spec = {"synthetic": synthetic, "pool": "p", "filter": "f", "draw_from": int(kept.rank.max()) + 1, **more}
    found = assemble(spec, seed, TRAIN, {"p": pool}, len(CLASSES), "d", {("p", "f"): kept})
    assert np.bincount(found.labels).tolist() == [synthetic] * len(CLASSES)
    pixels = found.images.reshape(-1, 4)[:, :3].tolist()
    assert [label for _, label, _ in pixels] == found.labels.tolist()
    return {tuple(each) for each in pixels}


def test_runs_draw_from_the_kept_images_nested_and_each_seed_its_own() -> None:
    pool = pool_of(12)
    kept = chosen(pool, {"among": 8, "keep": 5})
    few, more, every = (drawn(0, n, pool, kept) for n in (1, 3, 5))
    assert few < more < every
    assert {index for index, *_ in every} == {3, 4, 5, 6, 7}
    assert len({frozenset(drawn(seed, 2, pool, kept)) for seed in range(6)}) > 1


def test_a_filtered_draw_is_as_large_as_one_from_all() -> None:
    pool = pool_of(12)
    kept = chosen(pool, {"among": 8, "keep": 5})
    plain = assemble({"synthetic": 3, "pool": "p", "draw_from": 8}, 0, TRAIN, {"p": pool}, len(CLASSES), "d")
    assert len(drawn(0, 3, pool, kept)) == len(plain.labels) == 9


def test_a_filter_of_per_seed_generators_gives_a_run_its_own_images() -> None:
    pool = pool_of(8, seeds=(0, 1))
    kept = chosen(pool)
    assert {seed for *_, seed in drawn(1, 3, pool, kept)} == {2}


def test_monitored_images_are_not_filtered() -> None:
    pool = pool_of(12)
    spec = {"synthetic": 2, "pool": "p", "filter": "f", "draw_from": 3}
    spec["monitor"] = {"pool": "p", "first": 8, "per_class": 4}
    found = assemble(spec, 0, TRAIN, {"p": pool}, len(CLASSES), "d", {("p", "f"): chosen(pool)})
    assert found.monitor is not None
    assert set(found.monitor[0].reshape(-1, 4)[:, 0].tolist()) == {8, 9, 10, 11}
