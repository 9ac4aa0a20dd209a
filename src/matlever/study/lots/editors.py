"""Which editor redraws the tiles of a study, and why it and no other."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from matlever.exceptions import DataError, SettingsError
from matlever.knobs import Editor
from matlever.micrographs import ExactEditor, Tiles
from matlever.storage import State, read_model
from matlever.study.lots.data import LotData
from matlever.study.lots.meters import SplitLots, calibration_meter
from matlever.study.lots.settings import LotsSettings
from matlever.study.stages import Stages

__all__ = ["StudyEditor", "chosen_editor", "demo_matches", "editor_from_state", "load_editor"]

Tick = Callable[[float, str], None]

_FLOW, _ATTGAN = "flow editor", "AttGANEditor"
# Steps that are timed to learn how many fit into the time allowed, and the fewest worth taking.
_TIMED_STEPS = 10
_FEWEST_STEPS = 50
# Tiles on which a new editor is calibrated.
_CALIBRATED_ON = 48
# Simulated lots and tiles of each that stand for what the packaged editor was taught from, and
# tiles of a study that are compared with them.
_LIKE_DEMO = (16, 8)
_JUDGED = 240


@dataclass(frozen=True)
class StudyEditor:
    """The editor of a study.

    Attributes
    ----------
    editor : Editor or None
        None where nothing is redrawn.
    kind : str
        ``trained``, ``folder``, ``exact``, ``demo`` or ``none``.
    sentence : str
        Which it is and why.
    state : State or None
        Of an editor that was trained here, to be kept with the study.
    """

    editor: Editor | None
    kind: str
    sentence: str
    state: State | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return kind and sentence as plain JSON values."""
        return {"kind": self.kind, "sentence": self.sentence}


def editor_from_state(state: State) -> Editor:
    """Rebuild an editor of any kind that matlever trains.

    Raises
    ------
    SettingsError
        If it is another kind of model.
    """
    from matlever.micrographs import AttGANEditor, FlowEditor

    if state.kind == _FLOW:
        return FlowEditor.from_state(state)
    if state.kind == _ATTGAN:
        return AttGANEditor.from_state(state)
    raise SettingsError(f"A {state.kind} does not redraw tiles.")


def load_editor(folder: str | os.PathLike[str]) -> Editor:
    """Read an editor from the folder it was saved to.

    Raises
    ------
    ModelFileError
        If the folder holds no model, or it is damaged.
    SettingsError
        If it holds another kind of model.
    """
    state, _ = read_model(folder)
    try:
        return editor_from_state(state)
    except SettingsError as error:
        raise SettingsError(f"{folder}: {error}") from error


def chosen_editor(
    lots: LotData,
    split: SplitLots,
    settings: LotsSettings,
    stages: Stages,
    tick: Tick,
) -> StudyEditor:
    """Return the editor that the settings ask for; train one where they do, or where none fits.

    Parameters
    ----------
    lots : LotData
    split : SplitLots
        Which lots a new editor is taught from, and which are kept to judge it.
    settings : LotsSettings
    stages : Stages
    tick : callable

    Raises
    ------
    SettingsError
        If an editor turns other attributes than the lots have, or the exact one is asked for where
        tiles were not simulated.
    """
    asked = settings.editor
    if not lots.attribute_names:
        return StudyEditor(
            None, "none", "The lot table holds no attributes, so there is nothing to turn."
        )
    if asked == "none":
        return StudyEditor(None, "none", "No editor was asked for, so nothing is redrawn.")
    if asked == "exact":
        return _exact(lots, settings)
    if asked == "demo" or (asked == "auto" and _demo_fits(lots, stages)):
        return _demo(lots, settings)
    if asked in ("train", "auto"):
        return _trained(split, settings, stages, tick)
    editor = load_editor(asked)
    _check_attributes(editor, lots, asked)
    return StudyEditor(_held(editor, settings), "folder", f"Tiles are redrawn by {asked}.")


def _exact(lots: LotData, settings: LotsSettings) -> StudyEditor:
    if lots.tiles.scenes is None:
        raise SettingsError(
            'editor "exact" is the simulator itself; these tiles carry no scenes to draw again.'
        )
    return StudyEditor(
        ExactEditor(fixed=settings.fixed),
        "exact",
        "Tiles are redrawn by the simulator itself: the same packing at other attributes.",
    )


def demo_matches(lots: LotData) -> bool:
    """Return whether the packaged editor turns these attributes of tiles of this size."""
    from matlever.micrographs import ATTRIBUTES, load_demo_editor
    from matlever.micrographs.editing.demo import DEMO_FOLDER

    tiles = lots.tiles
    if tuple(lots.attribute_names) != ATTRIBUTES or tiles.channels != 1:
        return False
    if not (DEMO_FOLDER / "model.json").is_file():  # a copy without its data
        return False
    side = load_demo_editor().flow.side_px
    return tiles.shape[1:] == (side, side)


def _demo_fits(lots: LotData, stages: Stages) -> bool:
    """Return whether the packaged editor matches, and the tiles look like those it knows."""
    if not demo_matches(lots):
        return False
    side = lots.tiles.shape[1]
    return not stages.value("foreign-to-demo", partial(_foreign_to_demo, lots.tiles, side))


def _foreign_to_demo(tiles: Tiles, side: int) -> bool:
    """Return whether most lots look unlike the simulated ones the demo was taught from."""
    from matlever.micrographs import simulate_sem
    from matlever.micrographs.regression.novelty import TileNovelty

    known = simulate_sem(*_LIKE_DEMO, side, random_state=1).tiles
    chosen = tiles[np.unique(np.linspace(0, len(tiles) - 1, _JUDGED).round().astype(np.intp))]
    judged = TileNovelty().fit(known).judge(chosen)
    return 2 * sum(lot.is_novel for lot in judged) > len(judged)


def _demo(lots: LotData, settings: LotsSettings) -> StudyEditor:
    from matlever.micrographs import load_demo_editor

    editor = load_demo_editor()
    _check_attributes(editor, lots, "the packaged editor")
    side = editor.flow.side_px
    if lots.tiles.shape[1:] != (side, side):
        raise SettingsError(
            f"The packaged editor redraws tiles of {side} x {side} px; these have "
            f"{lots.tiles.shape[2]} x {lots.tiles.shape[1]} px. Read them with --size {side}, or "
            "train an editor with --editor train."
        )
    return StudyEditor(
        editor.with_knobs(fixed=settings.fixed),
        "demo",
        "Tiles are redrawn by the editor that comes with matlever. It was taught from simulated "
        "packings of crystals, not from these lots.",
    )


def _trained(split: SplitLots, settings: LotsSettings, stages: Stages, tick: Tick) -> StudyEditor:
    from matlever.micrographs import FlowEditor, FlowSettings, train_flow

    steps = settings.editor_steps or int(
        stages.value("editor-steps", partial(_training_steps, split.taught, settings))
    )

    def train() -> State:
        flow = train_flow(
            split.taught,
            FlowSettings(steps=steps, random_state=settings.seed, device=settings.device),
            folder=stages.folder / "editor-training",
            progress=lambda done, total, what: tick(0, f"{what}, step {done:,} of {total:,}"),
        )
        return FlowEditor(flow).to_state()

    plain = stages.state("editor", train)
    meter = calibration_meter(split, settings, stages, tick)
    state = plain
    if meter is not None:
        tick(0, "editor calibrated")
        state = stages.state(
            "editor-calibrated", partial(_calibrated, plain, split, meter, settings)
        )
    if "calibration" in FlowEditor.from_state(state).card:
        how = "Its edits were calibrated on these lots."
    else:
        how = "Its edits could not be calibrated: in these lots no meter reads the attributes."
    n = len(set(split.taught.lot.tolist()))
    return StudyEditor(
        FlowEditor.from_state(state).with_knobs(fixed=settings.fixed),
        "trained",
        f"Tiles are redrawn by an editor that was taught from {n} of these lots in {steps:,} "
        f"steps. {how}",
        state,
    )


def _calibrated(plain: State, split: SplitLots, meter: Any, settings: LotsSettings) -> State:
    """Return the editor with edits as large as asked for; as it was where that cannot be read."""
    from matlever.micrographs import FlowEditor, calibrate_flow_editor

    try:
        return calibrate_flow_editor(
            FlowEditor.from_state(plain),
            split.calibration,
            meter,
            n_tiles=_CALIBRATED_ON,
            random_state=settings.seed,
        ).to_state()
    except DataError:  # the meter sees none of the attributes
        return plain


def _training_steps(tiles: Tiles, settings: LotsSettings) -> int:
    """Return how many steps of training fit into the time allowed on this machine."""
    from matlever.micrographs import FlowSettings, train_flow

    trial = FlowSettings(steps=_TIMED_STEPS, random_state=settings.seed, device=settings.device)
    start = time.perf_counter()
    train_flow(tiles, trial)
    each = (time.perf_counter() - start) / _TIMED_STEPS
    return max(_FEWEST_STEPS, int(60 * settings.editor_minutes / each))


def _held(editor: Editor, settings: LotsSettings) -> Editor:
    """Return an editor whose fixed attributes stay."""
    if not settings.fixed:
        return editor
    held: Callable[..., Editor] | None = getattr(editor, "with_knobs", None)
    if held is None:
        raise SettingsError(
            f"The attributes {', '.join(settings.fixed)} cannot be fixed with this editor."
        )
    return held(fixed=settings.fixed)


def _check_attributes(editor: Editor, lots: LotData, where: str) -> None:
    if tuple(editor.space.names) != tuple(lots.attribute_names):
        raise SettingsError(
            f"{where}: this editor turns {', '.join(editor.space.names)}; the lots have "
            f"{', '.join(lots.attribute_names)}. Train one with --editor train."
        )
