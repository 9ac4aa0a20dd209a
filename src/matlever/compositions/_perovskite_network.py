"""The dense network of the perovskite and garnet study.

References
----------
W. Ye, C. Chen, Z. Wang, I.-H. Chu, S. P. Ong, Nat. Commun. 9 (2018) 3800,
doi:10.1038/s41467-018-06322-x.
"""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from matlever.exceptions import SettingsError

__all__ = ["PerovskiteNetwork"]


class PerovskiteNetwork(nn.Module):
    """From site descriptors to the formation energy.

    Parameters
    ----------
    n_inputs : int, default=4
        Descriptors: 4 for perovskites, 6 for garnets, more with an ordering code.
    hidden : sequence of int, default=(12,)
        Widths of the hidden layers.
    activations : sequence of {"relu", "linear"}, optional
        One for each hidden layer; ReLU by default.

    Raises
    ------
    SettingsError
        If a width is not positive or an activation is unknown.

    Notes
    -----
    Weights start as in the published files: Glorot's uniform distribution, biases 0.

    Examples
    --------
    >>> sum(p.numel() for p in PerovskiteNetwork().parameters())
    73
    """

    def __init__(
        self,
        *,
        n_inputs: int = 4,
        hidden: Sequence[int] = (12,),
        activations: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        kinds = ["relu"] * len(hidden) if activations is None else list(activations)
        if n_inputs < 1 or min(hidden, default=1) < 1 or len(kinds) != len(hidden):
            raise SettingsError(
                f"n_inputs={n_inputs}, hidden={tuple(hidden)}, activations={activations}: widths "
                "must be at least 1, with one activation for each hidden layer."
            )
        if set(kinds) - {"relu", "linear"}:
            raise SettingsError(f"activations={kinds} must be 'relu' or 'linear'.")
        layers: list[nn.Module] = []
        width = n_inputs
        for units, kind in zip(hidden, kinds, strict=True):
            layers.append(nn.Linear(width, units))
            if kind == "relu":
                layers.append(nn.ReLU())
            width = units
        layers.append(nn.Linear(width, 1))
        self.layers = nn.Sequential(*layers)
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_uniform_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Evaluate the network.

        Parameters
        ----------
        x : Tensor of shape (n, n_inputs)
            Standardised descriptors.

        Returns
        -------
        energy : Tensor of shape (n, 1)
            Standardised formation energy.
        """
        y: Tensor = self.layers(x)
        return y
