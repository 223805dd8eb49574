"""The page: what is escaped, which sections there are, what the plots draw, and that a browser shows it without a complaint."""

import json
import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pytest
from card_files import audit, figure, metrics, origin, study
from PIL import Image

from eval.card import build_card
from eval.html import Picture, Pictures, report_html
from eval.html_sections import prose
from eval.plots import Scale, floor_plot, floor_scale, in_floors, interval_axis, interval_plot, share_plot
from eval.study_file import read_study

BROWSER = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None
)
NASTY = """<script>alert("x")</script>&'"""
VOID = {"meta", "img", "rect", "circle", "line", "br"}


class Balanced(HTMLParser):
    """Follows the tags, and remembers what a browser would fetch or run."""

    def __init__(self):
        super().__init__()
        self.open, self.seen, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href", "srcset", "data", "action")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.seen.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def parsed(page):
    parser = Balanced()
    parser.feed(page)
    assert parser.open == []
    return parser


@pytest.fixture
def full(tmp_path):
    """A card with every section."""
    (tmp_path / "utility.json").write_text(json.dumps(study((0.02, -0.01, 0.05), (0.06, 0.02, 0.1))))
    shares = {"real": {"cat": 0.75, "dog": 0.25}, "synthetic": {"cat": 1.0}, "amplifies_skew": "yes"}
    found = metrics(
        by_class={name: {"recall": figure(0.5, 0.9, higher=True)} for name in ("cat", "dog")},
        bias={"class": shares}, bias_class=figure(0.25, 0.05), privacy=audit("passes"), notes=["Mind this."],
    )  # fmt: skip
    return build_card(found, origin(), read_study(tmp_path / "utility.json"))


def nasty(value):
    """The card with every text in it replaced by markup."""
    if isinstance(value, dict):
        keep = ("question", "level", "kind", "verdict", "name")
        return {
            key: inner if key in keep and isinstance(inner, str) and key != "verdict" else nasty(inner)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [nasty(inner) for inner in value]
    return NASTY if isinstance(value, str) else value


def test_all_text_is_escaped(full):
    bad = nasty(full)
    bad["utility"]["metrics"] = full["utility"]["metrics"]
    bad["by_class"] = {NASTY: bad["by_class"]["cat"]}
    bad["bias"] = {NASTY: {"real": {NASTY: 1.0}, "synthetic": {}, "amplifies_skew": NASTY}}
    page = report_html(bad, Pictures([Picture("data:,", NASTY)], [Picture("data:,", NASTY)]))
    assert "script" not in parsed(page).seen
    assert page.count("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;&amp;&#x27;") > 40


def test_the_page_needs_nothing_else(full):
    page = report_html(full, Pictures([Picture("data:image/png;base64,AA", "Real")]))
    parser = parsed(page)
    assert not {"script", "link", "iframe", "object"} & set(parser.seen)
    assert all(link.startswith("data:") for link in parser.links)
    assert "http" not in page
    assert not re.search(r"url\(|@import|//cdn", page)


def test_sections_are_there_only_where_the_card_has_them(full):
    titles = {
        "by_class": "Class by class",
        "utility": "Detection trained on each set",
    }
    page = report_html(full, Pictures())
    plain = report_html(build_card(metrics(), origin()), Pictures())
    for title in (
        *titles.values(),
        "What there is of each kind",
        "Same mix?",
        "Amplifies the skew of the real images: yes",
    ):
        assert title in page
        assert title not in plain
    for section, title in titles.items():
        assert title not in report_html({key: value for key, value in full.items() if key != section}, Pictures())
    for text in (
        "How the verdict is reached",
        "Each measure beside its floor",
        "1" * 64,
        "c" * 64,
        "ddim",
        "images/1.png",
        "Privacy audit: passes",
    ):
        assert text in plain
    assert "/s/images/1.png" not in plain
    assert "Mind this." in page
    assert "90&nbsp;% of the synthetic images" in plain
    assert "at n&nbsp;=&nbsp;100" in plain


def test_prose_has_true_minus_signs_and_does_not_break_off_a_figure():
    assert prose("+2: -0.016 [-0.03, -0.001], 4.3% or 95 % at n = 20 & x-2") == (
        "+2: −0.016 [−0.03, −0.001], 4.3&nbsp;% or 95&nbsp;% at n&nbsp;=&nbsp;20 &amp; x-2"
    )


def numbers(svg, name, attribute):
    return [float(x) for x in re.findall(rf'class="{name}[^"]*"[^>]*? {attribute}="([-\d.]+)%"', svg)]


def entry_of(name, found):
    """A figure of a card."""
    return next(f for f in build_card(metrics(**{name: found}), origin())["figures"] if f["name"] == name)


def test_the_floor_is_one_half_width_either_way():
    entry = entry_of("recall", figure(0.7, 0.9, 0.05, higher=True))
    assert in_floors(entry, 0.9) == 0
    assert in_floors(entry, 0.85) == pytest.approx(1)
    assert in_floors(entry, 0.7) == pytest.approx(4)
    scale = floor_scale([entry])
    assert (scale.low, scale.high) == (-3, pytest.approx(5))
    svg = floor_plot(entry, scale)
    [left], [width] = numbers(svg, "band", "x"), numbers(svg, "band", "width")
    assert [left, left + width] == pytest.approx([scale.at(-1.0), scale.at(1.0)], abs=2e-3)
    [left], [width], [mean] = numbers(svg, "bar", "x"), numbers(svg, "bar", "width"), numbers(svg, "mean", "cx")
    assert [left, mean, left + width] == pytest.approx([scale.at(3.0), scale.at(4.0), scale.at(5.0)], abs=2e-3)
    assert 'class="mean outside"' in svg
    assert "synthetic 0.7 [0.65, 0.75], floor 0.9 [0.85, 0.95]" in svg


def test_worse_is_right_whichever_way_is_better():
    both = [entry_of("kid", figure(0.5, 0.1)), entry_of("recall", figure(0.7, 0.9, higher=True))]
    scale = floor_scale(both)
    for entry in both:
        [mean] = numbers(floor_plot(entry, scale), "mean", "cx")
        assert mean > scale.at(1.0)


def test_a_floor_without_width_is_drawn():
    entry = entry_of("share_near_real", figure(0.0, 0.0, 0.0))
    assert numbers(svg := floor_plot(entry, floor_scale([entry])), "mean", "cx") == pytest.approx([50])
    assert "nan" not in svg


def test_scales_are_monotone_and_stay_inside():
    for scale in (Scale(-3.0, 1e4, far=True), Scale(-0.2, 0.1)):
        at = [scale.at(v) for v in np.linspace(scale.low - 1, scale.high + 1, 50)]
        assert at == sorted(at)
        assert 0 < at[0] < at[-1] < 100


def test_intervals_stand_beside_their_mark():
    scale = Scale(-0.1, 0.1)
    svg = interval_plot("+10", (0.02, 0.05, 0.08), 0.0, scale)
    assert numbers(svg, "mark", "x1") == pytest.approx([50])
    assert numbers(svg, "mean", "cx") == pytest.approx([74])
    assert 'class="mean outside"' in svg
    assert 'class="mean inside"' in interval_plot("+1", (-0.02, 0.05, 0.08), 0.0, scale)
    below = (-0.08, -0.05, -0.02)
    assert 'class="mean outside"' in interval_plot("-1", below, 0.0, scale)
    assert 'class="mean inside"' in interval_plot("fewer than by chance", below, 0.0, scale, above=True)
    assert 'class="mean outside"' in interval_plot("more than by chance", (0.02, 0.05, 0.08), 0.0, scale, above=True)


@pytest.mark.parametrize("ends", [(0.0, 1.0), (-0.19, 0.09), (-3e-4, 1e-4), (12.0, 900.0)])
def test_axes_have_a_few_round_ticks(ends):
    ticks = re.findall(r">([−\d.e]+)</text>", interval_axis(Scale(*ends)))
    assert 3 <= len(ticks) <= 7


def test_shares_are_drawn_in_proportion():
    real, synthetic = (
        numbers(svg := share_plot("cat", 0.6, 0.2, 0.6), "real", "width"),
        numbers(svg, "synthetic", "width"),
    )
    assert real[0] == pytest.approx(3 * synthetic[0], rel=1e-3)
    assert real[0] == pytest.approx(96)


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_a_browser_shows_it(full, tmp_path):
    page, picture = tmp_path / "report.html", tmp_path / "report.png"
    page.write_text(report_html(full, Pictures()), encoding="utf-8")
    command = [
        BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
        "--enable-logging=stderr", f"--user-data-dir={tmp_path / 'profile'}", "--window-size=390,1600",
        f"--screenshot={picture}", page.as_uri(),
    ]  # fmt: skip
    run = subprocess.run(command, capture_output=True, text=True, timeout=240, check=True)
    assert "CONSOLE" not in run.stderr
    with Image.open(picture) as image:
        pixels = np.asarray(image.convert("RGB"))
    assert pixels.shape[:2] == (1600, 390)
    ink = (pixels != pixels[0, 0]).any(axis=2)
    assert ink.any(axis=1).mean() > 0.3
    assert not ink[:, -4:].any(), "wider than a phone"
