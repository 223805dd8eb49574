"""Samples that are looked at before they are kept: copies of training images however turned, and labels that agree."""

import numpy as np
import pytest
import torch
from label_files import grey, save

from conf.sample_schema import SampleConfig
from data.augment import augment, views
from data.folder import FolderConfig
from data.image_set import ImageSpec, to_floats
from data.label_encoding import LabelEncodingConfig, encode
from diffusion.gaussian import Denoised
from diffusion.guidance import GuidanceConfig
from diffusion.parts import Parts
from diffusion.samplers.ddim import DDIMConfig
from diffusion.schedules import ScheduleConfig, build_schedule
from diffusion.tasks import Artist
from eval.nearest import find_nearest
from generation.drawing import Drawing
from generation.judge import Judge, load_real
from generation.output import report
from generation.request import Request

HOW = FolderConfig(path="gone", image_size=8)
SPEC = ImageSpec(1, 8, 8, label_names=["background", "ship"], label_encoding=LabelEncodingConfig("onehot"))
FLIPS = [
    {"hflip": h, "vflip": v, "rot90": r} for h in (False, True) for v in (False, True) for r in (False, True)
]  # fmt: skip


# --- every way that training shows an image ---------------------------------------------------------------------------


@pytest.mark.parametrize("flips", FLIPS, ids=[str(list(f.values())) for f in FLIPS])
def test_views_are_what_augment_makes_each_once(flips):
    image = torch.arange(9.0).reshape(1, 1, 3, 3)
    many = augment(image.expand(400, 1, 3, 3), torch.Generator().manual_seed(0), **flips)
    made = {tuple(one.flatten().tolist()) for one in many}
    seen = views(np.arange(9, dtype=np.uint8).reshape(1, 1, 3, 3), **flips)
    assert {tuple(view.astype(float).ravel().tolist()) for view in seen} == made
    assert len(seen) == len(made)


# --- copies -----------------------------------------------------------------------------------------------------------


def real_images(folder, count=12, flips=FLIPS[0], spec=SPEC):
    for i in range(count):
        save(folder / f"{i:02d}.png", grey(seed=i))
    return load_real(str(folder), spec, HOW, flips)


def stored(*seeds):
    return np.stack([grey(seed=seed)[None] for seed in seeds])


def test_a_copy_is_at_distance_0_however_it_is_turned(tmp_path):
    copies, new = stored(0, 5), stored(100)
    for flips in FLIPS:
        real = real_images(tmp_path / "real", flips=flips)
        for view in views(copies, hflip=True, vflip=True, rot90=True):
            known = any((view == own).all() for own in views(copies, **flips))
            assert (real.distance(view) == 0).all() == known
        assert real.distance(new)[0] > 0


def test_the_threshold_is_the_first_percentile_between_real_images_seen_alike(tmp_path):
    plain = real_images(tmp_path / "real")
    pixels = stored(*range(12)) / np.float32(255)
    rows = pixels.reshape(12, -1)
    assert plain.threshold == pytest.approx(find_nearest(rows, rows).threshold)
    mirrored = real_images(tmp_path / "real", flips={"hflip": True, "vflip": False, "rot90": False})
    both = np.concatenate([pixels, pixels[..., ::-1]]).reshape(24, -1)
    distance = np.sqrt(((both[:, None] - rows[None]) ** 2).mean(-1)).reshape(2, 12, 12)
    distance[:, range(12), range(12)] = np.inf  # nor its own mirror image
    assert mirrored.threshold == pytest.approx(np.percentile(distance.min((0, 2)), 1), rel=1e-5)
    assert mirrored.threshold <= plain.threshold


def test_new_images_of_the_same_kind_are_seldom_taken_for_copies(tmp_path):
    rng = np.random.default_rng(0)
    for i in range(300):
        save(tmp_path / "real" / f"{i:03d}.png", rng.integers(0, 256, (2, 2)).astype(np.uint8))
    spec, how = ImageSpec(1, 2, 2), FolderConfig(path="gone", image_size=2)
    real = load_real(str(tmp_path / "real"), spec, how, FLIPS[-1])
    new = rng.integers(0, 256, (2000, 1, 2, 2)).astype(np.uint8)
    assert 0.001 < (real.distance(new) <= real.threshold).mean() < 0.03


def test_reading_them_is_told_image_by_image(tmp_path):
    real_images(tmp_path / "real", count=3)
    ticks = []
    load_real(str(tmp_path / "real"), SPEC, HOW, FLIPS[0], progress=lambda *tick: ticks.append(tick))
    assert ticks == [("reading reject_copies", done, 3) for done in (1, 2, 3)]


def test_one_image_has_no_distances(tmp_path):
    with pytest.raises(ValueError, match=r"reject_copies=.*one image, but distances .* need 2 or more"):
        real_images(tmp_path / "real", count=1)


# --- the judge --------------------------------------------------------------------------------------------------------


def drawing(**options):
    """Of a model that finds the label `ship` wherever the image is bright."""
    schedule, parts = build_schedule(ScheduleConfig(name="cosine")), Parts(1, 1)

    def denoiser(x_t, t, cond=None):
        image = x_t[:, :1] / schedule.alpha[0].item()  # held, at t = 0
        return Denoised(torch.cat([image, torch.where(image > 0, 1.0, -1.0)], dim=1))

    config = SampleConfig(ckpt="", sampler=DDIMConfig(), **options)
    artist = Artist(denoiser, schedule, parts, config.sampler, GuidanceConfig(), [], torch.device("cpu"), 2)
    return Drawing(artist, config, Request(np.zeros((9, 0), np.int64), []), SPEC)


def sample_of(image, label_map):
    """(1, 2, 8, 8) of stored pixels (8, 8) and a label map."""
    label = encode(label_map[None].astype(np.uint8), SPEC.label_encoding, 2)
    return torch.cat([to_floats(image[None, None]), label], dim=1)


def bright(rows):
    """(8, 8) pixels whose first `rows` rows are bright."""
    image = np.zeros((8, 8), np.uint8)
    image[:rows] = 255
    return image


def test_agreement_is_stored_and_too_little_of_it_is_a_fault():
    x_0 = torch.cat([sample_of(bright(4), bright(4) > 0), sample_of(bright(4), bright(2) > 0)])
    for least, faults in ((0.0, [None, None]), (0.5, [None, None]), (0.51, [None, "label_iou"])):
        verdicts = Judge(drawing(min_label_iou=least), None).look(x_0, [3, 7])
        assert [verdict.facts for verdict in verdicts] == [{"label_iou": 1.0}, {"label_iou": 0.5}]
        assert [verdict.fault for verdict in verdicts] == faults


def test_two_empty_labels_say_nothing_of_agreement():
    x_0 = torch.cat([sample_of(bright(0), bright(0) > 0), sample_of(bright(0), bright(1) > 0)])
    empty, alone = Judge(drawing(min_label_iou=0.9), None).look(x_0, [0, 1])
    assert (empty.facts, empty.fault) == ({}, None)
    assert (alone.facts, alone.fault) == ({"label_iou": 0.0}, "label_iou")


def test_the_mean_agreement_is_that_of_samples_with_objects(capsys):
    report(
        [{"label_map": "a", "label_iou": 0.6}, {"label_map": "b"}, {"label_map": "c", "label_iou": 0.8}],
        {},
        looked=False,
    )
    assert "mean 0.700; 1 of 3 samples hold no object in either" in capsys.readouterr().out


def test_both_labels_are_compared_as_they_are_written():
    image, own = bright(4), bright(4) > 0
    image[7, 7] = 255  # one pixel that the model labels
    own[6, 0] = True
    for min_area, expected in ((1, 32 / 34), (2, 1.0)):
        [verdict] = Judge(drawing(min_area=min_area), None).look(sample_of(image, own), [0])
        assert verdict.facts["label_iou"] == pytest.approx(expected, abs=1e-6)


def test_too_few_objects_are_a_fault_however_well_labels_agree():
    two = bright(2)
    two[5:7, 3:5] = 255  # of 4 pixels
    x_0 = torch.cat([sample_of(image, image > 0) for image in (bright(0), bright(2), two)])
    for options, faults in (
        ({"min_objects": 1}, ["objects", None, None]),
        ({"min_objects": 2}, ["objects", "objects", None]),
        ({"min_objects": 2, "min_area": 5}, ["objects", "objects", "objects"]),
        ({"min_label_iou": 0.9}, [None, None, None]),
    ):
        assert [verdict.fault for verdict in Judge(drawing(**options), None).look(x_0, range(3))] == faults


def test_nothing_is_looked_at_that_was_not_asked_for():
    x_0 = sample_of(bright(4), bright(2) > 0)
    assert Judge(drawing(), None).look(x_0, [0])[0].facts == {"label_iou": 0.5}
    annotate = drawing(mode="annotate", images="somewhere")
    assert Judge(annotate, None).look(x_0, [0])[0].facts == {}


def test_copies_are_a_fault_and_the_distance_is_stored(tmp_path):
    real = real_images(tmp_path / "real", flips={"hflip": True, "vflip": False, "rot90": False})
    judge = Judge(drawing(reject_copies="real"), real)
    label = np.zeros((8, 8))
    images = [grey(seed=3), grey(seed=3)[:, ::-1].copy(), grey(seed=3)[::-1].copy(), bright(4)]
    verdicts = judge.look(torch.cat([sample_of(image, label) for image in images]), range(4))
    assert [verdict.fault for verdict in verdicts] == ["copy", "copy", None, None]
    assert [verdict.facts["nearest_real"] == 0 for verdict in verdicts] == [True, True, False, False]


def test_a_copy_is_found_though_its_values_lie_between_two_stored_ones(tmp_path):
    """What is compared is what is written: also where twins among the real images make the threshold 0."""
    for i in range(4):
        save(tmp_path / "real" / f"{i}.png", grey(seed=0))
    real = load_real(str(tmp_path / "real"), SPEC, HOW, FLIPS[0])
    assert real.threshold == 0
    x_0 = sample_of(grey(seed=0), np.zeros((8, 8)))
    x_0[:, :1] += 0.3 / 255
    assert Judge(drawing(reject_copies="real"), real).look(x_0, [0])[0].fault == "copy"
