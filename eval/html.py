"""report.html: the card as one page that needs no other file, no script and no network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from eval.html_sections import details, number, prose, section, spread, table
from eval.html_studies import privacy, utility
from eval.plots import floor_axis, floor_plot, floor_scale, share_plot

STYLE = Path(__file__).with_name("report.css")

_GROUPS = {"faithful": "Faithful", "varied": "Varied", "copies": "Copies", "mix": "Mix"}
_SEEN = "Likeness as seen by one extractor alone, {}."
_FLOOR = (
    "A figure means something only beside its floor: the same figure between two disjoint sets of n real {things}, as many as "
    "are compared on the synthetic side. The grey band is where real {things} lie, from the 5th to the 95th percentile over "
    "{repeats} random draws; the bar is the same for the synthetic ones, the dot their mean, hollow where these n {things} "
    "do not show them to be worse. Every row is drawn in half widths of its own band, right being worse."
)


@dataclass(frozen=True)
class Picture:
    """An image inside the page: a data: URI, and what stands below it."""

    uri: str
    caption: str


@dataclass(frozen=True)
class Pictures:
    """What the page shows of the images; nothing where there are none."""

    grids: list[Picture] = field(default_factory=list)
    """Real and synthetic, drawn at random."""
    pairs: list[Picture] = field(default_factory=list)
    """The closest ones, each synthetic left and real right."""


def report_html(card: dict[str, Any], pictures: Pictures) -> str:
    """The page; a section appears only where the card (eval.card) has it. All text of the card is escaped."""
    origin = card["provenance"]
    sides = [
        f"{origin[side]['images']} {side} images from <b>{escape(Path(origin[side]['folder']).name)}</b>"
        for side in ("synthetic", "real")
    ]
    sections: list[str] = [
        head(card, " compared with ".join(sides)),
        _grids(pictures),
        measures(card),
        _by_class(card),
        mix(card),
        _copies(card, pictures),
        utility(card["utility"]) if "utility" in card else "",
        _provenance(card),
    ]
    return page(card["title"], sections)


def page(title: str, sections: Sequence[str]) -> str:
    """The whole file of sections that are HTML already."""
    title = escape(title)
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>{title}</title><style>
{STYLE.read_text(encoding="utf-8")}</style></head><body><main>
{"".join(sections)}
</main></body></html>
"""


def head(card: dict[str, Any], sides: str) -> str:
    """The verdict, what was compared (`sides`, HTML already), the questions and how they are answered."""
    verdict = card["verdict"]
    tiles = "".join(_tile(question) for question in verdict["questions"])
    notes = "".join(f'<p class="note">{escape(note)}</p>' for note in card["notes"])
    rules = "".join(f"<li>{escape(rule)}</li>" for rule in verdict["rules"])
    return f"""<header><p class="eyebrow">{escape(card["title"])}</p>
<h1>{escape(verdict["headline"])}</h1>
<p class="sides">{sides}, <time>{escape(card["date"])}</time>.</p></header>
<div class="tiles">{tiles}</div>
<p class="seen">{escape(card["measurement"].get("seen", _SEEN.format(card["measurement"]["extractor"])))}</p>
{notes}{details("How the verdict is reached", f"<ul>{rules}</ul>")}"""


def _tile(question: dict[str, str]) -> str:
    lines = "".join(
        f'<p class="{name}">{prose(question[name])}</p>' for name in ("trusted", "doubted") if question[name]
    )
    return (
        f'<section class="tile {escape(question["level"])}"><h2>{escape(question["question"])}</h2>'
        f'<p class="answer">{escape(question["answer"])}</p>{lines}</section>'
    )


def _grids(pictures: Pictures) -> str:
    if not pictures.grids:
        return ""
    return section("The images", f'<div class="grids">{"".join(_figure(picture) for picture in pictures.grids)}</div>')


def _figure(picture: Picture) -> str:
    caption = escape(picture.caption)
    return f'<figure><img src="{picture.uri}" alt="{caption}"><figcaption>{caption}</figcaption></figure>'


def measures(card: dict[str, Any], things: str = "images") -> str:
    """Every figure but those of the mix beside its floor."""
    figures = [figure for figure in card["figures"] if figure["question"] != "mix"]
    groups = {
        title: [figure for figure in figures if figure["question"] == question] for question, title in _GROUPS.items()
    }
    explained = "".join(
        f"<dt>{escape(f['title'])} <code>{escape(f['name'])}</code></dt><dd>{escape(f['meaning'])} "
        f'<span class="quiet">{_source(f, card)}{escape(f["method"])}.</span></dd>'
        for f in figures
    )
    floor = _FLOOR.format(things=things, repeats=card["measurement"]["repeats"])
    body = f"<p>{floor}</p>{_floors(groups)}" + details("All figures as a table", _table(figures))
    return section("Each measure beside its floor", body + details("What each measure says", f"<dl>{explained}</dl>"))


def _source(figure: dict[str, Any], card: dict[str, Any]) -> str:
    """What the figure was measured in, unless in the features that the page's head names."""
    source = figure["extractor"]
    return "" if source == card["measurement"]["extractor"] else f"{escape(source)}; "


def _floors(groups: dict[str, list[dict[str, Any]]], name: Callable[[dict[str, Any]], str] | None = None) -> str:
    """Figures in groups, one row each, all on one scale."""
    scale = floor_scale([figure for figures in groups.values() for figure in figures])
    rows = []
    for title, figures in groups.items():
        if figures:
            rows.append(f"<h3>{escape(title)}</h3>")
        for f in figures:
            label = f["title"] if name is None else name(f)
            values = f"<b>{number(f['synthetic']['mean'])}</b> <span>floor {number(f['floor']['mean'])}</span>"
            rows.append(_row(escape(label), floor_plot(f, scale), values, f"{f['verdict']}, n = {f['n']}"))
    direction = '<span class="ends"><span>← better</span><span>worse →</span></span>'
    rows.append(f'<div class="row last"><span class="name"></span><div>{floor_axis(scale)}{direction}</div></div>')
    return f'<div class="plots">{"".join(rows)}</div>'


def _row(name: str, plot: str, values: str, remark: str) -> str:
    return (
        f'<div class="row"><span class="name">{name}</span>{plot}'
        f'<span class="values">{values}</span><span class="remark">{escape(remark)}</span></div>'
    )


def _table(figures: Sequence[dict[str, Any]]) -> str:
    head = ["figure", "over all", "real, synthetic", "n", "synthetic at n", "floor at n", "verdict"]
    rows = []
    for f in figures:
        error = "" if f["standard_error"] is None else f" ± {number(f['standard_error'])}"
        counts = f"{f['n_real']}, {f['n_synthetic']}"
        sides = spread(f["synthetic"]), spread(f["floor"])
        rows.append([f["name"], f"{number(f['value'])}{error}", counts, str(f["n"]), *sides, f["verdict"]])
    return table(head, rows)


def _by_class(card: dict[str, Any]) -> str:
    classes = card.get("by_class")
    if not classes:
        return ""
    titles = {figure["title"]: None for figures in classes.values() for figure in figures}
    groups = {
        title: [f | {"class": name} for name, of in classes.items() for f in of if f["title"] == title]
        for title in titles
    }
    rows = [f | {"name": f"{name}: {f['name']}"} for name, figures in classes.items() for f in figures]
    lead = "<p>The same within each class, beside the floor of that class. Few images make wide bands.</p>"
    plots = _floors(groups, lambda figure: figure["class"])
    return section("Class by class", lead + plots + details("As a table", _table(rows)))


def mix(card: dict[str, Any], *, fold: str = "", more: str = "") -> str:
    """The shares of each kind and their figures.

    `fold` is the title under which the shares are folded away, where they are many; `more` stands below all.
    """
    figures = [figure for figure in card["figures"] if figure["question"] == "mix"]
    shares = card.get("bias", {})
    drawn = "".join(_shares(name, found) for name, found in shares.items())
    parts = [drawn] if drawn and not fold else []
    if figures:
        explained = "".join(f"<dt>{escape(f['title'])}</dt><dd>{escape(f['meaning'])}</dd>" for f in figures)
        parts.append(_floors({"Beside the floor": figures}))
        parts.append(details("As a table", _table(figures) + f"<dl>{explained}</dl>"))
    parts += [details(fold, drawn)] if drawn and fold else []
    parts += [more] if more else []
    return section("What there is of each kind", "".join(parts)) if parts else ""


def _shares(name: str, found: dict[str, Any]) -> str:
    values = list(found["real"] | found["synthetic"])
    sides = [{value: float(found[side].get(value, 0.0)) for value in values} for side in ("real", "synthetic")]
    largest = max([*sides[0].values(), *sides[1].values()]) or 1.0
    rows = [
        _row(
            escape(value), share_plot(f"{name} {value}", sides[0][value], sides[1][value], largest),
            f"<b>{100 * sides[1][value]:.1f} %</b> <span>real {100 * sides[0][value]:.1f} %</span>", "",
        )
        for value in values
    ]  # fmt: skip
    skew = f"Amplifies the skew of the real images: {found['amplifies_skew']}." if "amplifies_skew" in found else ""
    title = name.removeprefix("attribute_").replace("_", " ").capitalize()
    key = '<p class="key"><i class="real"></i>real <i class="synthetic"></i>synthetic</p>'
    return f"<h3>{escape(title)}</h3>{key}<div class='plots'>{''.join(rows)}</div><p>{escape(skew)}</p>"


def _copies(card: dict[str, Any], pictures: Pictures) -> str:
    copies = card["copies"]
    sheet = "".join(_figure(picture) for picture in pictures.pairs)
    lead = (
        "Synthetic images (left) beside the real ones (right) that they are most like in grey, the closest pair of each real "
        "image, the closest of all first; shifts of a few pixels, flips and quarter turns are allowed for. Exact copies:"
        f"\u00a0{copies['exact']}."
    )
    rows = [
        [*(_below(card, side, pair[side]) for side in ("synthetic", "real")), f"{pair['distance']:.4f}"]
        for pair in copies["closest"]
    ]
    files = details("The files", table(["synthetic", "real", "distance"], rows)) if rows else ""
    return section("Copies", f'<p>{lead}</p><div class="pairs">{sheet}</div>{files}{privacy(card["privacy"])}')


def _below(card: dict[str, Any], side: str, path: str) -> str:
    """The path as seen from its folder, where it lies in it."""
    folder = card["provenance"][side]["folder"]
    return str(Path(path).relative_to(folder)) if Path(path).is_relative_to(folder) else path


def _provenance(card: dict[str, Any]) -> str:
    origin, measured = card["provenance"], card["measurement"]
    synthetic = origin["synthetic"]
    names = {"checkpoint": "Checkpoint", "sampler": "Sampler", "seed": "Seed of the samples"}
    rows = [[title, ", ".join(synthetic[key])] for key, title in names.items() if key in synthetic]
    rows += [
        [f"Fingerprint of the {side} images", origin[side]["sha256"]]
        for side in ("real", "synthetic", "holdout") if side in origin
    ]  # fmt: skip
    if groups := origin.get("groups"):
        counts = ", ".join(f"{groups[side]} in {side}" for side in ("real", "holdout") if side in groups)
        rows.append([f"Groups by {groups['by']}", counts])
    rows += [
        ["Extractor", measured["extractor"]], ["Resize", measured["resize"]],
        ["Pixel values that become 0..1", measured["range"]], ["Seed of the comparison", str(measured["seed"])],
        ["Versions", ", ".join(f"{name} {found}" for name, found in origin["versions"].items())], ["Date", card["date"]],
    ]  # fmt: skip
    options = [[key, plain(value)] for key, value in origin["config"].items()]
    request = [[key, plain(value)] for key, value in synthetic.get("request", {}).items()]
    body = table(None, rows) + "<p>A fingerprint is the SHA-256 of the sorted content hashes of a folder's images.</p>"
    body += details("Options of the comparison", table(None, options))
    return section("Provenance", body + (details("Request to the sampler", table(None, request)) if request else ""))


def plain(value: Any) -> str:
    """An option's value as text."""
    if isinstance(value, dict):
        return ", ".join(f"{key}={plain(inner)}" for key, inner in value.items())
    return "–" if value is None else str(value)
