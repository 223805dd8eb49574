"""The pieces that every section of the page is made of; text is escaped here, bodies are HTML already."""

import re
from collections.abc import Sequence
from html import escape


def section(title: str, body: str) -> str:
    """A titled part of the page."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>\n"


def details(title: str, body: str) -> str:
    """A part that is closed on the screen and open on paper."""
    return f"<details><summary>{escape(title)}</summary>{body}</details>\n"


def table(head: Sequence[str] | None, rows: Sequence[Sequence[str]]) -> str:
    """Rows of text; the first cell of each is its heading."""
    top = "" if head is None else "<tr>" + "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head) + "</tr>"
    body = "".join(
        f'<tr><th scope="row">{escape(first)}</th>' + "".join(f"<td>{escape(cell)}</td>" for cell in rest) + "</tr>"
        for first, *rest in rows
    )
    kind = "facts" if head is None else "numbers"
    return f'<div class="scroll"><table class="{kind}">{top}{body}</table></div>'


def prose(text: str) -> str:
    """A sentence: true minus signs, and no line that ends between a figure and what it counts."""
    text = re.sub(r"(?<![\w-])-(?=\d)", "−", escape(text))
    return re.sub(r"(?<=\d) ?%", "&nbsp;%", text).replace("n = ", "n&nbsp;=&nbsp;")


def number(value: float) -> str:
    """Three significant digits with a true minus sign."""
    return f"{value:.3g}".replace("-", "−").replace("e−0", "e−")


def spread(side: dict[str, float]) -> str:
    """Mean [low, high]."""
    return f"{number(side['mean'])} [{number(side['low'])}, {number(side['high'])}]"
