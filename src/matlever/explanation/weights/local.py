"""The explanation of one sample, also under the names that users of the lime package know."""

from __future__ import annotations

import html
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from matlever.explanation._page import bar_cell, body_of, page, spread_of, write_page
from matlever.explanation._words import number, shortened

if TYPE_CHECKING:
    import pandas as pd

    from matlever.explanation.weights.explanations import Explanations

__all__ = ["LocalExplanation"]

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False, repr=False)
class LocalExplanation:
    """What each knob does around one sample, for one target.

    Those who come from the lime package find `as_list`, `as_map`, `as_pyplot_figure`, `as_html`,
    `save_to_file`, `local_pred`, `score`, `intercept` and `predicted_value`, with lime's meaning: a
    weight is the slope per standard deviation of the knob.

    Parameters
    ----------
    explanations : Explanations
        Of several samples, for one target.
    position : int
        Which of them.
    """

    explanations: Explanations
    position: int

    @property
    def weights(self) -> Array:
        """Slope per standard deviation of each knob, of shape (k,)."""
        return np.asarray(self.explanations.slope_standardised[self.position])

    @property
    def intercept(self) -> float:
        """Surrogate at the mean of the reference."""
        return float(self.explanations.intercept[self.position])

    @property
    def local_pred(self) -> float:
        """Surrogate at the sample."""
        return float(self.explanations.local_prediction[self.position])

    @property
    def predicted_value(self) -> float:
        """Prediction of the model at the sample."""
        return float(self.explanations.prediction[self.position])

    @property
    def score(self) -> float:
        """Weighted R2 at points that were *not* used in the fit (lime's is that of the fit)."""
        return float(self.explanations.r2[self.position])

    def _order(self) -> list[int]:
        return np.argsort(-np.abs(self.weights), kind="stable").tolist()  # type: ignore[no-any-return]

    def _name(self, j: int) -> str:
        one = self.explanations
        setting = one.settings[self.position, j]
        if one.is_categorical[j]:
            levels = one.levels[j]
            return f"{one.knobs[j]}={levels[int(setting)] if levels else int(setting)}"
        unit = one.units[j]
        return f"{one.knobs[j]} ({unit})" if unit else one.knobs[j]

    def as_list(self, label: int = 1) -> list[tuple[str, float]]:
        """Return (knob, weight) pairs, the largest weight first.

        Parameters
        ----------
        label : int, default=1
            1 for the prediction; 0 for its negative, which is what `as_map` has under 0.
        """
        sign = -1.0 if label == 0 else 1.0
        return [(self._name(j), sign * float(self.weights[j])) for j in self._order()]

    def as_map(self) -> dict[int, list[tuple[int, float]]]:
        """Return {label: [(column, weight), ...]} for the labels 1 and 0 (the negative)."""
        pairs = [(j, float(self.weights[j])) for j in self._order()]
        return {1: pairs, 0: [(j, -weight) for j, weight in pairs]}

    def to_frame(self) -> pd.DataFrame:
        """Return one line per knob, the largest weight first."""
        frame = self._one_row().to_frame()
        return frame.iloc[self._order()].reset_index(drop=True)

    def _one_row(self) -> Explanations:
        from dataclasses import fields, replace

        one, n = self.explanations, len(self.explanations.rows)
        rows: dict[str, Any] = {
            f.name: value[[self.position]]
            for f in fields(one)
            if isinstance(value := getattr(one, f.name), np.ndarray)
            and f.name not in ("mean", "sd")
            and len(value) == n
        }
        return replace(one, rows=(one.rows[self.position],), unseen_share=None, **rows)

    def plot(self, ax: Any = None) -> Any:
        """Draw the weights with their spread as bars, the largest on top, and return the axes."""
        one = self.explanations
        if ax is None:
            from matplotlib import pyplot as plt

            height = 1.4 + 0.28 * min(len(one.knobs), 30)
            _, ax = plt.subplots(figsize=(6.0, height), layout="constrained")
        shown = self._order()[:30][::-1]
        weights, spread = self.weights[shown], one.spread[self.position][shown]
        colours = np.where(weights >= 0, "#c2571a", "#2563a8")
        ax.barh(np.arange(len(shown)), weights, xerr=spread, color=colours, height=0.65)
        ax.axvline(0, color="0.3", linewidth=0.8)
        names = [shortened(self._name(j), 32).replace("$", r"\$") for j in shown]
        ax.set_yticks(np.arange(len(shown)), names)
        target = one.targets[0] if one.targets else "prediction"
        ax.set_xlabel(f"change of {target} per standard deviation".replace("$", r"\$"))
        ax.set_title(f"row {one.rows[self.position]}".replace("$", r"\$"), fontsize=10)
        return ax

    def as_pyplot_figure(self, label: int = 1, figsize: tuple[float, float] | None = None) -> Any:
        """Return the bars as a matplotlib figure; `label` changes nothing, as in lime."""
        from matplotlib import pyplot as plt

        if figsize is None:
            return self.plot().figure
        figure, ax = plt.subplots(figsize=figsize, layout="constrained")
        self.plot(ax)
        return figure

    def as_html(self) -> str:
        """Return a standalone page: no script, nothing from the network."""
        one = self.explanations
        target = one.targets[0] if one.targets else "prediction"
        title = f"{target}, row {one.rows[self.position]}"
        largest = float(np.abs(self.weights).max(initial=0.0))
        rows = []
        for j in self._order():
            weight = float(self.weights[j])
            value = one.settings[self.position, j]
            shown = "" if one.is_categorical[j] else number(float(value))
            note = " (one side)" if one.one_sided[self.position, j] else ""
            written = spread_of(weight, float(one.spread[self.position, j]), largest)
            rows.append(
                f"<tr><th>{html.escape(self._name(j))}</th><td>{shown}</td>"
                f"{bar_cell(weight, largest)}<td>{written}{note}</td>"
                f"<td>{number(float(one.contribution[self.position, j]))}</td></tr>"
            )
        sided = (
            " One side: the knob stands at a limit, so only the other side was asked about."
            if one.one_sided[self.position].any()
            else ""
        )
        warnings = "".join(f"<li>{html.escape(text)}</li>" for text in one.warnings)
        return page(
            title,
            f"<h1>{html.escape(title)}</h1>"
            f"<p>Predicted {number(self.predicted_value)}; a straight line says "
            f"{number(self.local_pred)} here, and explains R² {number(self.score)} of what the "
            f"model does at {html.escape(one.fidelity_at)}.</p>"
            "<table><thead><tr><th>knob</th><th>stands at</th>"
            '<th class="middle">lowers | raises</th>'
            "<th>change per standard deviation</th><th>contribution</th></tr></thead>"
            f"<tbody>{''.join(rows)}</tbody></table><ul>{warnings}</ul>"
            f'<p class="soft">{html.escape(one.method)}; the spread is over '
            f"{html.escape(one.spread_over)}.{sided}</p>",
        )

    def save_to_file(self, file_path: str | os.PathLike[str]) -> None:
        """Write `as_html` to a file; it appears whole or not at all."""
        write_page(file_path, self.as_html())

    save_html = save_to_file

    def _repr_html_(self) -> str:
        return body_of(self.as_html())

    def __repr__(self) -> str:
        one = self.explanations
        lines = [f"Explanation of row {one.rows[self.position]} ({one.method})"]
        lines += [
            f"  {self._name(j)}: {number(float(self.weights[j]))} ± "
            f"{number(float(one.spread[self.position, j]))} per standard deviation"
            for j in self._order()[:12]
        ]
        lines.append(f"  R2 {number(self.score)} at {one.fidelity_at}")
        return "\n".join(lines)
