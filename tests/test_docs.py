"""The documentation names files and options that are there."""

import re
from dataclasses import fields
from pathlib import Path

import pytest

from eval.config import EvalConfig
from eval.tables.config import TableConfig
from eval.utility.classification.config import ClassificationConfig
from eval.utility.detection.config import DetectionConfig
from eval.utility.segmentation.config import SegmentationConfig
from generation.scoring import ScoreConfig

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page):
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (page.parent / link).exists()] == []


CONFIGS = [EvalConfig, TableConfig, DetectionConfig, ClassificationConfig, SegmentationConfig, ScoreConfig]


@pytest.mark.parametrize("config", CONFIGS)
def test_every_option_of_the_evaluation_is_explained(config):
    text = (ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([a-z_0-9]+)(?:[.=][^`]*)?`", text)) | {"task"}
    assert [field.name for field in fields(config) if field.name not in named] == []
