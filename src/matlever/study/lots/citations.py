"""Published methods that a study of lots stands on, for its record."""

from __future__ import annotations

__all__ = ["citations"]

_ALWAYS = (
    "Micrographs, attributes, network and editor: S. Liu et al., explanation of scientific images "
    "by actionable attributes (the micrograph study).",
    "Network: S. Zagoruyko, N. Komodakis, Wide residual networks, BMVC (2016), arXiv:1605.07146.",
    "Interval of a lot, from errors on lots held out: R. F. Barber, E. J. Candès, A. Ramdas, "
    "R. J. Tibshirani, Predictive inference with the jackknife+, Annals of Statistics 49 (2021) "
    "486–507.",
    "Heat maps: R. R. Selvaraju et al., Grad-CAM, ICCV (2017) 618–626; checked as in J. Adebayo "
    "et al., Sanity checks for saliency maps, NeurIPS (2018).",
    "Curves of single tiles: A. Goldstein, A. Kapelner, J. Bleich, E. Pitkin, Peeking inside the "
    "black box, J. Comput. Graph. Stat. 24 (2015) 44–65.",
)
_FLOW = (
    "Editor: Y. Lipman, R. T. Q. Chen, H. Ben-Hamu, M. Nickel, M. Le, Flow matching for "
    "generative modeling, ICLR (2023), arXiv:2210.02747."
)
_ATTGAN = (
    "Editor: Z. He, W. Zuo, M. Kan, S. Shan, X. Chen, AttGAN: facial attribute editing by only "
    "changing what you want, IEEE Trans. Image Process. 28 (2019) 5464–5478."
)


def citations(editor: str | None, *, also_attgan: bool = False) -> list[str]:
    """Return the sources of the methods that were used.

    Parameters
    ----------
    editor : str or None
        Kind of the editor; one that is neither the simulator nor an AttGAN is a flow.
    also_attgan : bool, default=False
        Whether an AttGAN was trained beside it.
    """
    found = list(_ALWAYS)
    if editor not in (None, "none", "exact", "attgan"):
        found.append(_FLOW)
    if editor == "attgan" or also_attgan:
        found.append(_ATTGAN)
    return found
