"""Draws how scores are spread and how large each tier is, as PNG or SVG."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from matplotlib import rc_context
from matplotlib.figure import Figure

from scoring.labels import SCORED_TIERS, TIERS

#: Told apart also without colour vision, and in print. Source: Okabe & Ito, "Color Universal
#: Design", 2008.
_COLOURS: Final = {
    "hot": "#D55E00",
    "warm": "#E69F00",
    "nurture": "#56B4E9",
    "low": "#999999",
    "clinical": "#CC79A7",
    "not_a_lead": "#BBBBBB",
    "unscored": "#DDDDDD",
}
_STEP: Final = 5  #: Points to a bar.


def draw(counts: Mapping[tuple[str, int | None], int], path: Path, model: str) -> None:
    """Draw `counts`, by tier and score, into the file at `path`; its ending names the format."""
    figure = Figure(figsize=(9, 4), layout="constrained")
    spread, sizes = figure.subplots(1, 2, width_ratios=(2, 1))
    total = sum(count for (tier, _), count in counts.items() if tier)
    bottoms = [0] * (100 // _STEP + 1)
    for tier in reversed(SCORED_TIERS):
        heights = [0] * len(bottoms)
        for (name, points), count in counts.items():
            if name == tier and points is not None:
                heights[points // _STEP] += count
        places = [place * _STEP for place in range(len(heights))]
        spread.bar(
            places, heights, width=_STEP * 0.9, bottom=bottoms, align="edge",
            color=_COLOURS[tier], label=tier,
        )  # fmt: skip
        bottoms = [below + height for below, height in zip(bottoms, heights, strict=True)]
    spread.set(xlabel="score", ylabel="leads", xlim=(0, 105), title="Scores")
    spread.legend(title="tier", reverse=True, frameon=False)
    shown = [tier for tier in reversed(TIERS) if _of(counts, tier) or tier in SCORED_TIERS]
    bars = sizes.barh(
        shown, [_of(counts, tier) for tier in shown], color=[_COLOURS[tier] for tier in shown]
    )
    labels = [_label(_of(counts, tier), total) for tier in shown]
    sizes.bar_label(bars, labels, padding=3)
    sizes.margins(x=0.45)
    sizes.set(title="Tiers", xlabel="leads")
    for axes in (spread, sizes):
        axes.spines[["top", "right"]].set_visible(False)
    figure.suptitle(f"{total:,} leads under {model}", fontsize=11)
    # The same leads give the same bytes: no date, no random ids.
    metadata = {"Date": None} if path.suffix.lower() == ".svg" else {"Software": None}
    with rc_context({"svg.hashsalt": "leadscore"}):
        figure.savefig(path, dpi=150, metadata=metadata)


def _of(counts: Mapping[tuple[str, int | None], int], tier: str) -> int:
    return sum(count for (name, _), count in counts.items() if name == tier)


def _label(count: int, total: int) -> str:
    share = count / max(total, 1)
    return f"{count:,} (<1%)" if 0 < share < 0.005 else f"{count:,} ({share:.0%})"
