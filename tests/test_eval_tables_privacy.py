"""The audit of rows: an honest sampler passes, a memoriser fails, and tables of few values raise no false alarm."""

import numpy as np
import pytest
from eval_table_files import COLUMNS, rows, write

from eval.tables.attack import distance_attack
from eval.tables.config import TableConfig
from eval.tables.duplicates import find_duplicates
from eval.tables.opening import open_tables
from eval.tables.privacy import audit_rows
from eval.tables.table import Column


@pytest.fixture
def opened(tmp_path):
    """`opened(train, synthetic, test)`: the rows as files, opened."""

    def run(train, synthetic, test=None, columns=COLUMNS):
        paths = {"real": train, "synthetic": synthetic, "test": test}
        given = {k: str(write(tmp_path / f"{k}.csv", v, columns)) for k, v in paths.items() if v is not None}
        return open_tables(TableConfig(**given, out="o"))

    return run


def test_an_honest_sampler_is_as_near_to_the_training_rows_as_to_others(opened):
    tables = opened(rows(400, 0), rows(500, 1), rows(300, 2))
    audit = audit_rows(tables, tables.synthetic[0].rows, seed=0)
    assert audit.evidence.dcr.value == pytest.approx(0.5, abs=0.06)
    assert audit.evidence.dcr.low < 0.5 < audit.evidence.dcr.high
    assert audit.verdict == "passes", audit.words
    assert audit.duplicates.exact == 0
    assert audit.attack.auc.value == pytest.approx(0.5, abs=0.06)
    assert audit.closeness.dcr == pytest.approx(audit.closeness.holdout_dcr, rel=0.4)
    assert any("no proof of privacy" in sentence for sentence in audit.words)


@pytest.mark.parametrize("share", [0.2, 1.0])
def test_a_memoriser_fails(opened, share):
    train, honest = rows(400, 0), rows(400, 1)
    copied = int(share * 400)
    tables = opened(train, np.concatenate([honest[copied:], train[:copied][::-1]]), rows(300, 2))
    audit = audit_rows(tables, tables.synthetic[0].rows, seed=0)
    assert audit.verdict == "fails"
    assert audit.duplicates.exact == copied
    assert audit.duplicates.verdict == "fails"
    assert audit.evidence.verdict == "fails"
    assert audit.attack.verdict == "fails" or share < 1


def test_near_copies_fail_though_none_is_exact(opened):
    train = rows(400, 0)
    noise = np.random.default_rng(3).normal(size=(400, 2)) * 1e-3
    tables = opened(train, np.column_stack([train[:, :2] + noise, train[:, 2:]]), rows(300, 2))
    audit = audit_rows(tables, tables.synthetic[0].rows, seed=0)
    assert audit.duplicates.exact == 0
    assert audit.evidence.verdict == "fails"
    assert audit.evidence.near.value > 0.5


def test_equal_rows_by_chance_are_no_copies(opened):
    columns = (Column("a", categories=("p", "q", "r"), known=3), Column("b", categories=("s", "t"), known=2))

    def discrete(n, seed):
        random = np.random.default_rng(seed)
        return np.column_stack([random.integers(3, size=n), random.integers(2, size=n)]).astype(np.float64)

    tables = opened(discrete(200, 0), discrete(210, 1), discrete(150, 2), columns)
    audit = audit_rows(tables, tables.synthetic[0].rows, seed=0)
    assert audit.duplicates.exact == 210
    assert audit.duplicates.verdict == "passes"
    assert audit.evidence.verdict != "fails", audit.words
    assert audit.closeness.nndr == 1  # of 0 over 0


def test_without_other_real_rows_the_audit_says_so(opened):
    tables = opened(rows(200, 0), rows(200, 1))
    audit = audit_rows(tables, tables.synthetic[0].rows, seed=0)
    assert audit.attack is None
    assert audit.evidence.dcr is None
    assert any("holdout=FILE" in sentence for sentence in audit.words)
    assert audit_rows(tables, tables.train.rows, seed=0).verdict == "fails"


def test_duplicates_by_hand():
    train = np.array([[1.0, np.nan], [1.0, np.nan], [2.0, 0.0]])
    synthetic = np.array([[1.0, np.nan], [2.0, -0.0], [3.0, 1.0], [3.0, 1.0]])
    found = find_duplicates(train, np.array([[2.0, 0.0], [5.0, 5.0]]), synthetic)
    assert (found.exact, found.in_holdout) == (2, 1)
    assert (found.real_exact, found.n_real) == (3, 5)
    assert (found.repeated, found.real_repeated) == (0.5, pytest.approx(2 / 3))


def test_the_attack_finds_members_by_distance():
    random = np.random.default_rng(0)
    train, holdout = random.normal(size=(2, 200, 3))
    found = distance_attack(train, holdout, train + 1e-3, seed=0)
    assert found.auc.value > 0.99
    assert (found.verdict, found.tpr.value) == ("fails", 1.0)
    assert distance_attack(train[:20], holdout[:20], random.normal(size=(50, 3)), seed=0).verdict == "cannot be told"
