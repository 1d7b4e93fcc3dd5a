"""Object discovery: SimCLR on whole images, and how well features of patches fall into objects.

The settings of the paper (Miyato et al. 2025, Tabs 9-11) and others are ``PRESETS``. Each is for
AKOrN with attention; its counterparts are a change of the model away:

===================================  ==================
``model.connectivity=convolution``   AKOrN-conv
``model.name=itrsa``                 ItrSA
``model.name=itrconv``               ItrConv
``model.name=vit``                   ViT
===================================  ==================

Shapes, Tetrominoes and Multi-dSprites are generated; of the last two the published files are read
with ``source=tetrominoes_file`` or ``source=multi_dsprites_file``. What is drawn or decoded is kept
in ``$KURAMOTO_CACHE``, if that is set.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kuramoto._check import invalid, whole_number
from kuramoto.nn import models
from kuramoto.nn.seeds import derived_seed
from kuramoto.nn.tasks.objects_presets import PRESETS, Options
from kuramoto.nn.tasks.objects_sources import kind_of, scenes, spread
from kuramoto.nn.tasks.presets import changed_model, chosen, full, network_of, require_task, wishes
from kuramoto.nn.training import Settings, changed

if TYPE_CHECKING:
    from kuramoto._backend import Array
    from kuramoto.nn.data.objects import Source
    from kuramoto.nn.tasks.objects_report import Report
    from kuramoto.nn.training import Run

__all__ = ["PRESETS", "Objects", "Options", "evaluate_run", "prepare", "restore"]


class Objects:
    """The recipe: scenes, SimCLR's loss, and how well clusters of features find held-out objects.

    The loss of a batch depends on its size: every image is told from all others. In `accumulate`
    parts, an image is compared within its part only; several devices compare with each other.

    Parameters
    ----------
    config : mapping
        ``name`` of a model and its values, for `kuramoto.nn.models.build`.
    train, held_out : Source
        Scenes to train on, and to score.
    options : Options
        The rest.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        train: Source,
        held_out: Source,
        options: Options | None = None,
    ) -> None:
        self.options = options = options or Options()
        self.config = full("objects", config)
        self.train, self.held_out = train, held_out
        channels, size = kind_of(options.source).channels, options.size
        for name, value in (("image_channels", channels), ("image_size", size)):
            if self.config.get(name, value) != value:
                must = f"be {value}, as that of the images"
                raise invalid(f"model.{name}", must, f"{self.config[name]}")
        self._ahead: tuple[Any, Any] = (None, None)

    @property
    def scores(self) -> tuple[str, ...]:
        """What `validate` returns: without labels, the loss alone."""
        labelled = kind_of(self.options.source).labelled
        return ("held_out_loss", "fg_ari", "mbo_i") if labelled else ("held_out_loss",)

    def about(self) -> dict[str, Any]:
        """Return what makes this recipe again; the scenes by their number and fingerprint."""
        parts = {"train": self.train, "held_out": self.held_out}
        told = {name: [len(part), part.fingerprint()] for name, part in parts.items()}
        options = dataclasses.asdict(self.options)
        return {"task": "objects", "model": self.config, "options": options, "scenes": told}

    def model(self) -> Any:
        """Return a new model."""
        return models.build("objects", **self.config)

    def batch(self, step: int, size: int, seed: int) -> tuple[Array, ...]:
        """Return images uint8 (size, H, W, C) of a step, and what is done to each."""
        views = self.options.views.draw(size, derived_seed(seed, "views", step))
        return (self._batches(size, seed)(step).images, *views)

    def _batches(self, size: int, seed: int) -> Any:
        """Return the batches; files are decoded while the batch before is being used."""
        from kuramoto.nn.data.objects import Batches

        if self._ahead[0] != (size, seed):
            self._ahead = ((size, seed), Batches(self.train, size, seed))
        return self._ahead[1]

    def loss(self, model: Any, batch: tuple[Any, ...]) -> Any:
        """Return how badly two views of each image find each other."""
        from kuramoto.nn.tasks import contrast

        images, *views = batch
        return contrast.loss(model, images, views, self.options.temperature, gather=True)

    def validate(self, model: Any) -> dict[str, float]:
        """Score held-out scenes: the loss in batches of about 100, FG-ARI and MBO."""
        from kuramoto.nn.tasks import contrast
        from kuramoto.nn.tasks.objects_evaluation import evaluate

        device, options = next(model.parameters()).device, self.options
        found = contrast.held_out_loss(model, self.held_out, options.views, options.temperature)
        scored = {"held_out_loss": found}
        if len(self.scores) == 1:
            return scored
        report = evaluate(model.features, self.held_out, options.clusters, device=device)
        return scored | {"fg_ari": report.fg_ari, "mbo_i": report.mbo_i}


def prepare(
    preset: str, data: Path | None, changes: Mapping[str, str] | None = None
) -> tuple[Objects, Settings]:
    """Return recipe and settings of a preset.

    Parameters
    ----------
    preset
        A name in ``PRESETS``.
    data
        Folder or file with the scenes; None: ``$KURAMOTO_DATA``, if the source reads any.
    changes
        Settings to change, as text: of training, of `Options`, or ``model.KEY``.

    Raises
    ------
    ValueError
        If there is no such preset or setting.
    FileNotFoundError
        If there are no such data.
    """
    start, wished = chosen(PRESETS, preset), wishes(changes, Options)
    options = _changed_options(start.options, wished.options)
    settings = start.training.with_changes(wished.training)
    shown = {"image_size": options.size, "image_channels": kind_of(options.source).channels}
    model = _changed_model({**start.model, **shown}, wished.model)
    return _recipe(model, options, data), settings


def _changed_options(options: Options, changes: Mapping[str, str]) -> Options:
    """Return options with some changed; another source has its own size and clusters."""
    if "source" in changes:
        options = dataclasses.replace(options, source=changes["source"], size=0, clusters=0)
    return changed(options, changes)


def _changed_model(model: Mapping[str, Any], changes: Mapping[str, str]) -> dict[str, Any]:
    """Return a model's name and values with some changed."""
    if changes.get("name") == "vit":  # it iterates nothing: how deep it is, is its own
        model = {key: value for key, value in model.items() if key not in ("steps", "blocks")}
    return changed_model("objects", model, changes)


def restore(about: Mapping[str, Any], data: Path | None) -> Objects:
    """Return the recipe of a run, from what `Objects.about` said."""
    require_task(about, "objects")
    return _recipe(about["model"], Options(**about["options"]), data)


def _recipe(model: Mapping[str, Any], options: Options, data: Path | None) -> Objects:
    train = scenes(options.source, options.wanted("train", data, options.train_scenes))
    number = options.validation_scenes
    held_out = scenes(options.source, options.wanted("validation", data, number))
    return Objects(model, train, held_out, options)


def evaluate_run(
    run: Run,
    *,
    source: str | None = None,
    data: Path | None = None,
    split: str = "test",
    limit: int | None = None,
    clusters: int | None = None,
    sweep: Sequence[int] = (),
    steps: int | None = None,
    patch_size: int | None = None,
    skip: bool = False,
    device: str = "cpu",
    **how: Any,
) -> Report:
    """Score a run's averaged weights.

    Parameters
    ----------
    run
        The run.
    source
        Scenes to score; default: the run's own, and PASCAL VOC after ImageNet.
    data
        Where they are, if they are not generated.
    split
        ``"test"``, ``"validation"`` or ``"train"``.
    limit
        At most so many scenes, spread evenly over them.
    clusters
        Of an image; default: the run's, or of another source as published.
    sweep
        Other numbers of clusters, scored by the way.
    steps
        T; default: as trained.
    patch_size
        Of up-tiling; default: the model's.
    skip
        Leave out files that cannot be read, and count them.
    device
        ``"cpu"`` or ``"cuda"``.
    **how
        ``method``, ``components``, ``up_tile``, ``interpolation``, ``batch``, ``processes``,
        ``seed``, ``out``, ``overwrite``, ``progress`` as for
        `kuramoto.nn.tasks.objects_evaluation.evaluate`.

    Raises
    ------
    ValueError
        If the run is of another task, or the scenes have no labels.
    """
    from kuramoto.nn.tasks.objects_evaluation import evaluate

    model = network_of(run, "objects", device)
    options = Options(**run.recipe["options"])
    name = source or ("voc" if options.source == "imagenet" else options.source)
    if name != options.source:
        options = dataclasses.replace(options, source=name, clusters=0)
    options = dataclasses.replace(options, skip=options.skip or skip)
    if not kind_of(name).labelled:
        remedy = "name a source whose objects are known"
        raise invalid("source", "have labels to be scored against", f"{name}, without any", remedy)
    found = scenes(name, options.wanted(split, data))
    if limit is not None:
        found = spread(found, whole_number("limit", limit, least=1))
    return evaluate(
        functools.partial(model.features, steps=steps),
        found,
        clusters or options.clusters,
        sweep=sweep,
        patch_size=patch_size or model.config.patch_size,
        device=device,
        **how,
    )
