"""Pieces of a self-contained HTML page: sections, pictures and words."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterable, Sequence
from html import escape
from itertools import pairwise
from string import Template
from typing import TYPE_CHECKING

from gridbazaar.experiments.report import drawing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_LARGEST_SVG = 400_000  # bytes; a picture that would be larger becomes a PNG


def section(title: str, *parts: str) -> str:
    return f"<section><h2>{escape(title)}</h2>{''.join(parts)}</section>"


def picture(key: str, draw: Callable[[], Figure], alt: str, sentence: str) -> str:
    """A figure with what to see in it, drawn once more for narrow screens; ``sentence`` is HTML, ``alt`` is text."""
    sentence = re.sub(r"(?<=\d) (?=%|kWh?\b|pu\b)", "\N{NO-BREAK SPACE}", sentence)
    wide = _image(draw(), key, alt)
    with drawing.narrow():
        small = _image(draw(), f"{key}-narrow", alt)
    return (
        f'<figure id="{key}"><div class="on-wide">{wide}</div><div class="on-narrow">{small}</div>'
        f"<figcaption>{sentence}</figcaption></figure>"
    )


def _image(figure: Figure, key: str, alt: str) -> str:
    text, label = drawing.svg(figure, key), escape(alt, quote=True)
    if len(text) <= _LARGEST_SVG:
        return text.replace("<svg", f'<svg role="img" aria-label="{label}"', 1)
    data = base64.b64encode(drawing.png(figure)).decode("ascii")
    return f'<img alt="{label}" src="data:image/png;base64,{data}">'


def count_text(x: float) -> str:
    return f"{x / 1e6:.2f} million" if x >= 1e5 else f"{x:.0f}"


def plural(n: int, word: str) -> str:
    return word if n == 1 else f"{word}s"


def listed(names: Iterable[str]) -> str:
    """a, b and c."""
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def clock_text(hour: float) -> str:
    minutes = round(float(hour) * 60) % (24 * 60)
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def seeds_text(seeds: Sequence[int]) -> str:
    if len(seeds) > 1 and all(b == a + 1 for a, b in pairwise(seeds)):
        return f"{seeds[0]} to {seeds[-1]}"
    return ", ".join(map(str, seeds))


def split_words(split: str) -> str:
    return "held-out" if split == "test" else escape(split)


PAGE = Template("""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>$title</title>
<style>
:root{$light --page:#f4f5f7;--soft:#f0f2f5;--font:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",sans-serif}
@media screen and (prefers-color-scheme:dark){:root{$dark --page:#14181d;--soft:#262c34}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--c-1b1f24);font:16px/1.55 var(--font)}
main{max-width:1000px;margin:0 auto;padding:2rem 1rem 4rem}
h1{font-size:1.9rem;line-height:1.2;margin:0}
h2{font-size:1.25rem;margin:0 0 .8rem}
h3{font-size:1rem;margin:1.4rem 0 .4rem}
.sub{color:var(--c-6b7280);margin:.3rem 0 1.5rem}
section{background:var(--c-fefefe);border:1px solid var(--c-dde1e6);border-radius:10px;padding:1.4rem 1.5rem;
margin:0 0 1.2rem}
p{margin:0 0 .8rem;max-width:80ch}
.lead{font-size:1.08rem}
.ci,small{color:var(--c-6b7280);white-space:nowrap}
.note{color:var(--c-6b7280);font-size:.85rem;max-width:100ch}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(170px,1fr));gap:.8rem;margin:1.1rem 0}
.tile{background:var(--soft);border-radius:8px;padding:.7rem .9rem;display:grid}
.tile b{font-size:1.6rem;line-height:1.3}
.tile span{font-size:.9rem}
figure{margin:0 0 1.8rem}
figcaption{margin-top:.3rem;max-width:90ch}
.wide{overflow-x:auto}
svg,img{display:block;width:100%;height:auto}
.on-narrow{display:none}
img{background:#fefefe;border-radius:6px}
table{border-collapse:collapse;width:100%;font-size:.84rem;font-variant-numeric:tabular-nums;margin:.4rem 0 .8rem}
.narrow{width:auto}
.narrow th,.narrow td{padding-right:1.6rem}
td{white-space:nowrap}
.names{white-space:normal;overflow-wrap:anywhere}
th,td{padding:.35rem .45rem;text-align:right;vertical-align:top;border-bottom:1px solid var(--c-dde1e6)}
thead th{vertical-align:bottom;font-weight:600;line-height:1.25}
th:first-child,td.words,th.words{text-align:left}th:first-child{white-space:nowrap}
tbody th{font-weight:400}
tbody small{font-size:.74rem}
tr.mark>*{background:var(--soft)}
tr.mark th,tr.mark td{font-weight:600}
tr.mark small{font-weight:400}
pre{background:var(--soft);border-radius:8px;padding:.8rem 1rem;overflow-x:auto;font-size:.85rem;line-height:1.45;
margin:0 0 .9rem}
.listing{columns:2 22rem;white-space:pre-wrap}
.command{white-space:pre-wrap;overflow-wrap:anywhere}
.bad{color:var(--c-c1121f)}
ul{margin:0;padding-left:1.2rem}
li{margin:.25rem 0;max-width:90ch}
@media screen and (max-width:700px){main{padding:1.2rem .5rem 3rem}section{padding:1rem .9rem}
.on-wide{display:none}.on-narrow{display:block}.wide{overflow:visible}.ci,small{white-space:normal}
h1{font-size:1.5rem}p,li,figcaption,pre,td,th{overflow-wrap:anywhere}pre,.listing{columns:1;white-space:pre-wrap}
.tight{font-size:.78rem}.tight th,.tight td{padding:.3rem .25rem;white-space:normal}
.tight th{overflow-wrap:break-word}.tight .names{font-size:.72rem}
table:not(.tight),table:not(.tight) tbody{display:block}
table:not(.tight) thead{position:absolute;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
table:not(.tight) tbody tr{display:grid;grid-template-columns:repeat(3,1fr);gap:.1rem .6rem;padding:.5rem .3rem;
border-bottom:1px solid var(--c-dde1e6)}
table:not(.tight) tbody :is(th,td){display:block;border:0;padding:.15rem 0;text-align:left;white-space:normal}
table:not(.tight) tbody th:first-child{grid-column:1/-1;font-weight:600}
table:not(.tight) tbody td:empty{display:none}
table:not(.tight) tr.mark{background:var(--soft)}.tiles{grid-template-columns:1fr 1fr}
table:not(.tight) tbody td:before{content:attr(data-label);display:block;color:var(--c-6b7280);font-size:.75rem;
line-height:1.2}}
@page{size:A4;margin:14mm 12mm}
@media print{body{background:none;font-size:10.5pt}main{max-width:none;padding:0}
section{border:0;padding:0;margin:0 0 1.5rem}figure,tr,li,.tiles{break-inside:avoid}.wide{overflow:visible}
svg{max-height:120mm}h2,h3,p:not(.note):has(+figure){break-after:avoid}.note{break-before:avoid}
p{orphans:3;widows:3}
.listing{columns:3 10rem;font-size:6.5pt}table{font-size:7.5pt}.tile,tr.mark>*,pre{print-color-adjust:exact}}
</style>
</head>
<body>
<main>
<h1>$title</h1>
<p class="sub">$subtitle</p>
$body
</main>
</body>
</html>
""")
