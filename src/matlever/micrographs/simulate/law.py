r"""A law of peak stress that is known exactly, for simulated lots.

.. math:: P = (900 + 800\,(D/D_0)^{-1/2})\; e^{-0.35\,(p - 0.5)}\;
          (1 + 0.16\,(s - 0.5) + 0.10\,(f - 0.5)),

with crystal diameter :math:`D / D_0 = 0.5 \cdot 4^{\mathrm{size}}`, porosity p, polydispersity s
and facetness f, each 0 to 1; P in psi. Smaller crystals are stronger (as in Hall-Petch), pores
weaken, a wide distribution of sizes and flat faces strengthen a little: the signs that the
micrograph paper reports. The numbers are invented.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from matlever.exceptions import DataError

__all__ = ["ATTRIBUTES", "PeakStressLaw"]

ATTRIBUTES = ("size", "porosity", "polydispersity", "facetness")
_NO_CRYSTAL, _CRYSTAL = 900.0, 800.0  # psi
_PORES, _SPREAD, _FACES = 0.35, 0.16, 0.10
_D_OVER_D0 = 0.5  # at size 0; four times that at size 1


class PeakStressLaw:
    """Peak stress in psi of a material with given attributes, and its gradient.

    Examples
    --------
    >>> law = PeakStressLaw()
    >>> law.stress([[0.5, 0.5, 0.5, 0.5]]).round(1)
    array([1700.])
    >>> law.gradient([[0.5, 0.5, 0.5, 0.5]]).round(1)
    array([[-554.5, -595. ,  272. ,  170. ]])
    """

    def stress(self, attributes: ArrayLike) -> NDArray[np.float64]:
        """Return peak stress.

        Parameters
        ----------
        attributes : array_like of shape (n, 4)
            Size, porosity, polydispersity, facetness, 0 to 1.

        Returns
        -------
        stress : ndarray of shape (n,), psi
        """
        crystal, pores, rest, _ = self._factors(attributes)
        return crystal * pores * rest

    def gradient(self, attributes: ArrayLike) -> NDArray[np.float64]:
        """Return the derivative of peak stress by each attribute, of shape (n, 4), psi."""
        crystal, pores, rest, root = self._factors(attributes)
        by_size = -0.5 * np.log(4.0) * _CRYSTAL * root * pores * rest
        by_porosity = -_PORES * crystal * pores * rest
        by_spread = _SPREAD * crystal * pores
        by_faces = _FACES * crystal * pores
        return np.stack([by_size, by_porosity, by_spread, by_faces], axis=1)

    @staticmethod
    def _factors(attributes: ArrayLike) -> tuple[NDArray[np.float64], ...]:
        a = np.asarray(attributes, dtype=np.float64)
        if a.ndim != 2 or a.shape[1] != len(ATTRIBUTES):
            raise DataError(
                f"The law takes attributes of shape (n, {len(ATTRIBUTES)}), in the order "
                f"{', '.join(ATTRIBUTES)}; given is {a.shape}."
            )
        root = (_D_OVER_D0 * 4.0 ** a[:, 0]) ** -0.5
        crystal = _NO_CRYSTAL + _CRYSTAL * root
        pores = np.exp(-_PORES * (a[:, 1] - 0.5))
        rest = 1 + _SPREAD * (a[:, 2] - 0.5) + _FACES * (a[:, 3] - 0.5)
        return crystal, pores, rest, root
