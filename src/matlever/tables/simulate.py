"""A simulated nanorod growth law with known derivatives, and a simulated study made from it.

Nothing here was measured. The measured rows of the CdSe/CdS nanorod study are not public; the law
reproduces what its text and Table 1 state about them, so that protocols and explanations can be
compared with a known truth.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import SettingsError
from matlever.tables.smote_reg import numpy_generator

__all__ = ["NanorodLaw", "simulate_nanorods"]


@dataclass(frozen=True)
class NanorodLaw:
    r"""Mean length, width and aspect ratio of CdSe-seeded CdS nanorods. Simulated, not measured.

    With :math:`e = E - E_0` (nm), :math:`a = \ln(A / A_0)` and :math:`s = \ln(S / S_0)`,

    .. math:: \ln(length / l_0) &= l_e e + l_a a + l_s s + l_{as} a s, \\
              \ln(width / w_0) &= w_e e + w_a a + w_s s + w_{es} e s,

    and the aspect ratio is length / width, exactly.

    Parameters
    ----------
    edge_0_nm, amount_0_nmol, sulphur_0_mg : float
        Reference synthesis :math:`E_0`, :math:`A_0`, :math:`S_0`.
    length_0_nm, width_0_nm : float
        Mean dimensions at the reference.
    length_edge, length_amount, length_sulphur, length_amount_sulphur : float
        :math:`l_e` (1/nm), :math:`l_a`, :math:`l_s`, :math:`l_{as}`. The last is negative:
        with more cores the length depends less on sulphur.
    width_edge, width_amount, width_sulphur, width_edge_sulphur : float
        :math:`w_e` (1/nm), :math:`w_a`, :math:`w_s`, :math:`w_{es}` (1/nm). The width depends
        most on sulphur; in wider rods the core's size matters less, so the last is negative.

    Notes
    -----
    Stated by the study and reproduced: core amount 60 -> 10 nmol takes the aspect ratio from 6.1 to
    30.5 (samples 03 and 28); absorption edge 489 -> 570 nm from 8.2 to 11.5 (samples 08 and 19).
    The standard deviations of the 28 simulated rows follow from Table 1 (MSE / (1 - R2)): about
    24 nm in length, 0.42 nm in width, 5.9 in aspect ratio. All else is assumed.
    """

    edge_0_nm: float = 505.0
    amount_0_nmol: float = 40.0
    sulphur_0_mg: float = 120.0
    length_0_nm: float = 38.6
    width_0_nm: float = 4.40
    length_edge: float = 0.00518
    length_amount: float = -0.800
    length_sulphur: float = 0.55
    length_amount_sulphur: float = -0.20
    width_edge: float = 0.0010
    width_amount: float = 0.098
    width_sulphur: float = 0.26
    width_edge_sulphur: float = -0.0012

    def mean(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the mean dimensions.

        Parameters
        ----------
        X : array-like of shape (n, 3)
            Core absorption edge (nm), core amount (nmol), S amount (mg); the amounts positive.

        Returns
        -------
        y : ndarray of shape (n, 3)
            Length (nm), width (nm), aspect ratio.
        """
        e, a, s = self._reduced(X)
        length = self.length_0_nm * np.exp(
            self.length_edge * e
            + self.length_amount * a
            + self.length_sulphur * s
            + self.length_amount_sulphur * a * s
        )
        width = self.width_0_nm * np.exp(
            self.width_edge * e
            + self.width_amount * a
            + self.width_sulphur * s
            + self.width_edge_sulphur * e * s
        )
        return np.column_stack([length, width, length / width])

    def gradient(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the exact derivatives of the mean dimensions.

        Parameters
        ----------
        X : array-like of shape (n, 3)
            As for `mean`.

        Returns
        -------
        gradient : ndarray of shape (n, 3, 3)
            Derivative of target j by input k at [:, j, k], in units of target per unit of input.
        """
        x = np.asarray(X, dtype=np.float64)
        e, a, s = self._reduced(x)
        one = np.ones_like(e)
        log_length = np.stack(
            [
                self.length_edge * one,
                (self.length_amount + self.length_amount_sulphur * s) / x[:, 1],
                (self.length_sulphur + self.length_amount_sulphur * a) / x[:, 2],
            ],
            axis=1,
        )
        log_width = np.stack(
            [
                self.width_edge + self.width_edge_sulphur * s,
                self.width_amount / x[:, 1],
                (self.width_sulphur + self.width_edge_sulphur * e) / x[:, 2],
            ],
            axis=1,
        )
        log_slope = np.stack([log_length, log_width, log_length - log_width], axis=1)
        return np.asarray(self.mean(x)[:, :, None] * log_slope)

    def _reduced(
        self, X: ArrayLike
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        x = np.asarray(X, dtype=np.float64)
        if x.ndim != 2 or x.shape[1] != 3:
            raise SettingsError(
                f"The nanorod law needs an array of shape (n, 3), not {x.shape}: core absorption "
                "edge (nm), core amount (nmol), S amount (mg)."
            )
        if not (x[:, 1:] > 0).all():
            raise SettingsError("The nanorod law needs positive core and S amounts.")
        return (
            x[:, 0] - self.edge_0_nm,
            np.log(x[:, 1] / self.amount_0_nmol),
            np.log(x[:, 2] / self.sulphur_0_mg),
        )


INPUTS = ("core absorption edge (nm)", "core amount (nmol)", "S amount (mg)")
TARGETS = ("length (nm)", "width (nm)", "aspect ratio")

# Rows the study's text describes, at the positions of its sample numbers: 03, 11, 16 and 28 differ
# in core amount only, 08 and 19 in absorption edge only.
_NAMED_ROWS = {
    2: (505.0, 60.0, 120.0),
    10: (505.0, 40.0, 120.0),
    15: (505.0, 20.0, 120.0),
    27: (505.0, 10.0, 120.0),
    7: (489.0, 40.0, 120.0),
    18: (570.0, 40.0, 120.0),
}
# Levels a synthesis series repeats, with the share of rows at each.
_LEVELS: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = (
    ((489.0, 505.0, 521.0, 538.0, 553.0, 570.0), (0.12, 0.30, 0.18, 0.18, 0.12, 0.10)),
    ((10.0, 20.0, 30.0, 40.0, 60.0), (0.03, 0.22, 0.30, 0.30, 0.15)),
    ((40.0, 80.0, 120.0, 160.0), (0.15, 0.20, 0.45, 0.20)),
)


def simulate_nanorods(
    n: int = 28,
    *,
    noise: float = 0.03,
    n_validation: int = 0,
    law: NanorodLaw | None = None,
    random_state: Any = 0,
) -> pd.DataFrame:
    """Return a simulated table of nanorod syntheses.

    Parameters
    ----------
    n : int, default=28
        Rows. From 28 on they include the six the study's text describes, at its sample numbers;
        the others repeat a few levels of each input, as a series of syntheses does.
    noise : float, default=0.03
        Relative standard deviation of the length from batch to batch (log-normal); the width
        varies by a third of it. The aspect ratio is the quotient of the two, as in the study.
    n_validation : int, default=0
        Further rows appended, at conditions between the levels and slightly beyond them.
    law : NanorodLaw, optional
        The growth law.
    random_state : int, RandomState instance or None, default=0
        Source of conditions and noise.

    Returns
    -------
    table : DataFrame of shape (n + n_validation, 6)
        Core absorption edge (nm), core amount (nmol), S amount (mg), length (nm), width (nm),
        aspect ratio. ``table.attrs`` holds ``simulated=True`` and ``n_validation``.

    Raises
    ------
    SettingsError
        If a number of rows or the noise is negative.

    Examples
    --------
    >>> table = simulate_nanorods()
    >>> table.shape, table.attrs["simulated"]
    ((28, 6), True)
    """
    if n < 1 or n_validation < 0 or not 0 <= noise < 1:
        raise SettingsError(
            f"n={n}, n_validation={n_validation}, noise={noise}: expected at least one row, no "
            "negative number of validation rows, and a noise between 0 and 1."
        )
    generator = numpy_generator(random_state)
    law = NanorodLaw() if law is None else law
    inputs = np.column_stack(
        [generator.choice(levels, size=n, p=shares) for levels, shares in _LEVELS]
    )
    if n >= 28:
        for row, values in _NAMED_ROWS.items():
            inputs[row] = values
    lower, upper = np.array([[levels[0], levels[-1]] for levels, _ in _LEVELS]).T
    margin = 0.03 * (upper - lower)
    further = generator.uniform(lower - margin, upper + margin, size=(n_validation, 3))
    inputs = np.concatenate([inputs, further.round(1)])
    dimensions = law.mean(inputs)[:, :2]
    scatter = generator.standard_normal(dimensions.shape) * (noise, noise / 3.0)
    measured = dimensions * np.exp(scatter)
    table = pd.DataFrame(
        np.column_stack([inputs, measured, measured[:, 0] / measured[:, 1]]),
        columns=[*INPUTS, *TARGETS],
    )
    table.attrs["simulated"] = True
    table.attrs["n_validation"] = n_validation
    return table
