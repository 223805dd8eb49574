"""From opened files to all that is said of them."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from eval.figures import FORMAT_VERSION, Figure
from eval.floor import Floor, Spread, measure_sources
from eval.tables.baselines import make_baseline
from eval.tables.c2st import METHOD, c2st_floor, draw, two_sample_auc
from eval.tables.config import TableConfig
from eval.tables.lots import ALARM, excess_by_lot
from eval.tables.measures import HIGHER_IS_BETTER, Measures, method_of
from eval.tables.opening import Tables
from eval.tables.pictures import Marginal, marginals
from eval.tables.privacy import RowPrivacy, audit_rows
from eval.tables.space import MEASURED_IN
from eval.tables.study import SYNTHETIC, run_study
from eval.tables.subgroups import Subgroups, lost_categories, shares, target_rates

CLOSEST = 8  # pairs of a synthetic and a training row that are shown


@dataclass(frozen=True)
class ColumnErrors:
    """Errors of each column (c,) and pair (c, c) of the synthetic rows, and of one real half against the other."""

    column: np.ndarray
    pair: np.ndarray
    real_column: np.ndarray
    real_pair: np.ndarray


@dataclass(frozen=True)
class TableScores:
    """What was found; `figures` and `privacy` by source, the synthetic rows first and then the baselines."""

    tables: Tables
    figures: dict[str, list[Figure]]
    privacy: dict[str, RowPrivacy]
    errors: ColumnErrors
    marginals: list[Marginal]
    study: dict[str, Any] | None
    shares: dict[str, Any]
    lost: list[dict[str, Any]]
    rates: dict[str, Any] | None
    closest: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """What metrics.json holds."""
        names = [column.name for column in self.tables.columns]
        own, *others = self.figures
        return {
            "format_version": FORMAT_VERSION,
            **{figure.name: figure.to_json() for figure in self.figures[own]},
            "baselines": {name: {f.name: f.to_json() for f in self.figures[name]} for name in others},
            "privacy": self.privacy[own].to_json(),
            "privacy_of_baselines": {name: self.privacy[name].to_json() for name in others},
            "columns": {
                name: {"kind": "numeric" if column.numeric else "categorical", "error": float(e), "real": float(r)}
                for name, column, e, r in zip(
                    names, self.tables.columns, self.errors.column, self.errors.real_column, strict=True
                )
            },
            "pairs": {"columns": names, "error": self.errors.pair.tolist(), "real": self.errors.real_pair.tolist()},
            "shares": self.shares, "lost_categories": self.lost, "target_rates": self.rates, "closest": self.closest,
            "utility": self.study, "notes": self.tables.notes, "config": asdict(self.tables.config),
        }  # fmt: skip


def score_tables(tables: Tables) -> TableScores:
    """Measure the synthetic rows and the baselines alike; ValueError for what the files' content rules out."""
    config = tables.config
    pooled = np.concatenate([table.rows for table in tables.synthetic])
    sources = {SYNTHETIC: pooled}
    for i, name in enumerate(config.baselines):
        sources[name] = make_baseline(name, tables, len(pooled), seed=config.seed + i)
    random = np.random.default_rng(config.seed)
    drawn = {name: _at_most(config.rows // 2, rows, random) for name, rows in sources.items()}
    real = _at_most(config.rows, tables.real, random)
    measures = Measures(tables, real, drawn)
    figures = _figures(tables, measures, real, drawn)
    privacy = {name: audit_rows(tables, rows, seed=config.seed) for name, rows in sources.items()}
    groups = Subgroups(tables.columns, tables.train.rows, tables.target)
    return TableScores(
        tables, figures, privacy, _errors(measures, tables, pooled), marginals(tables, pooled), run_study(tables),
        shares(tables.columns, tables.train.rows, pooled), lost_categories(tables.columns, tables.train.rows, pooled),
        target_rates(groups, tables.train.rows, pooled), _closest(tables, pooled, privacy[SYNTHETIC]),
    )  # fmt: skip


def _at_most(most: int, rows: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return rows if len(rows) <= most else rows[np.sort(random.permutation(len(rows))[:most])]


def _figures(
    tables: Tables, measures: Measures, real: np.ndarray, drawn: Mapping[str, np.ndarray]
) -> dict[str, list[Figure]]:
    config, positions = tables.config, dict(measures.positions)
    real_positions = positions.pop("real")
    floors = measure_sources(
        measures, real_positions, positions, repeats=config.floor_repeats, seed=config.seed, label="figures"
    )
    lots = {name: _lots(measures, real_positions, positions[name], config) for name in drawn}
    told = _c2st(tables, measures, real, drawn)
    found = {}
    for name in drawn:
        values = measures(real_positions, positions[name])
        figures = [
            _figure(figure, value, replace(floor, excess=excess), method_of(figure), real, drawn[name])
            for figure, value, floor, excess in zip(measures.names, values, floors[name], lots[name], strict=True)
        ]
        area = _figure("c2st_auc", told[name].matched.mean, told[name], METHOD, real, drawn[name])
        found[name] = [figures[0], *[f for f in figures[1:2] if f.name == "trend_error"], area]
        found[name] += [figure for figure in figures if figure not in found[name]]
    return found


def _lots(measures: Measures, real: np.ndarray, synthetic: np.ndarray, config: TableConfig) -> list[Spread]:
    """On no more than config.rows rows in all: real[::step] would follow the order of the file, so these are drawn."""
    random = np.random.default_rng(config.seed)
    drawn = random.permutation(real)[: config.rows - len(synthetic)]
    return excess_by_lot(measures, drawn, synthetic, repeats=config.floor_repeats, seed=config.seed)


def _figure(name: str, value: float, floor: Floor, method: str, real: np.ndarray, synthetic: np.ndarray) -> Figure:
    measured = {"shape_error": "columns", "trend_error": "pairs of columns", "c2st_auc": "columns"}
    by_shares = name.startswith(("bias_", "skew_"))
    return Figure(
        name=name, value=value, standard_error=None, n_real=len(real), n_synthetic=len(synthetic), equal_n=floor,
        extractor=measured.get(name, "subgroups" if by_shares else MEASURED_IN), method=method,
        higher_is_better=name in HIGHER_IS_BETTER,
    )  # fmt: skip


def _c2st(tables: Tables, measures: Measures, real: np.ndarray, drawn: Mapping[str, np.ndarray]) -> dict[str, Floor]:
    """The classifier's area under the curve of every source, all beside the same real rows."""
    seed, categorical = tables.config.seed, [i for i, column in enumerate(tables.columns) if not column.numeric]

    def scaled(rows: np.ndarray) -> np.ndarray:
        """Numbers as they are; categories as 0, 1, ... 100."""
        found = rows.copy()
        found[:, categorical] = measures.space.scaled(rows)[:, categorical]
        return found

    alarm = ALARM / (len(measures.names) + 1)
    split = draw(scaled(real), min(len(rows) for rows in drawn.values()), seed=seed)
    floor = two_sample_auc(split.one, split.other, categorical, seed=seed)
    return {
        name: c2st_floor(split, floor, scaled(rows), categorical, alarm=alarm, seed=seed)
        for name, rows in drawn.items()
    }


def _errors(measures: Measures, tables: Tables, pooled: np.ndarray) -> ColumnErrors:
    shapes, real = measures.shapes, tables.real
    train, synthetic = shapes.prepare(tables.train.rows), shapes.prepare(pooled)
    order = np.random.default_rng(tables.config.seed).permutation(len(real))
    halves = [shapes.prepare(real[part]) for part in np.array_split(order, 2)]
    return ColumnErrors(
        column=shapes.column_errors(train, synthetic),
        pair=shapes.pair_errors(train, synthetic),
        real_column=shapes.column_errors(*halves),
        real_pair=shapes.pair_errors(*halves),
    )


def _closest(tables: Tables, pooled: np.ndarray, privacy: RowPrivacy) -> dict[str, Any]:
    """The pairs of a synthetic and a training row that are nearest to each other, as text."""
    chosen = np.argsort(privacy.distance, kind="stable")[:CLOSEST]
    pairs = [
        {
            "distance": float(privacy.distance[i]), "synthetic": _text(tables, pooled[privacy.rows[i]]),
            "real": _text(tables, tables.train.rows[privacy.index[i]]),
        }
        for i in chosen
    ]  # fmt: skip
    return {"columns": [column.name for column in tables.columns], "pairs": pairs}


def _text(tables: Tables, row: Sequence[float] | np.ndarray) -> list[str]:
    cells = []
    for column, value in zip(tables.columns, row, strict=True):
        if column.categories is not None:
            cells.append(column.categories[int(value)])
        else:
            cells.append("" if np.isnan(value) else f"{value:.6g}")
    return cells
