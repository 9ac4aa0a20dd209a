"""The editor that ships with the package: taught from simulated tiles of 64 px."""

from __future__ import annotations

from pathlib import Path

from matlever.micrographs.editing.flow_editor import FlowEditor, load_flow_editor

__all__ = ["DEMO_FOLDER", "load_demo_editor"]

DEMO_FOLDER = Path(__file__).parent / "demo_editor"


def load_demo_editor() -> FlowEditor:
    """Return the packaged editor of simulated tiles (64 px, grey).

    It turns size, porosity, polydispersity and facetness of simulated crystal packings
    (`simulate_sem`); tiles of a real material need an editor of their own (`train_flow`). Its card
    says what it was taught from and how it was calibrated; ``benchmarks/train_demo_editor.py``
    makes it again.

    Examples
    --------
    >>> editor = load_demo_editor()
    >>> editor
    FlowEditor(size, porosity, polydispersity, facetness; tiles of 64 x 64 px)
    """
    return load_flow_editor(DEMO_FOLDER)
