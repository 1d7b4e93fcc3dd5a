"""Pictures of object discovery: curves, clusters beside objects, oscillators step by step."""

from __future__ import annotations

import json
import shutil
import stat
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("matplotlib")
pytest.importorskip("kornia")
pytest.importorskip("lightning")
pytest.importorskip("safetensors")

from command_line import call, code_of  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from PIL import Image  # noqa: E402

from kuramoto.nn import overlays, training  # noqa: E402
from kuramoto.nn.data.objects import Scenes, tetrominoes  # noqa: E402
from kuramoto.nn.metrics import foreground_ari, mean_best_overlap  # noqa: E402
from kuramoto.nn.models import build  # noqa: E402
from kuramoto.nn.pictures import movie as movies  # noqa: E402
from kuramoto.nn.pictures import objects, objects_movie, objects_runs  # noqa: E402
from kuramoto.nn.pictures.objects_runs import Asked, ObjectPortrait  # noqa: E402
from kuramoto.nn.tasks.objects_evaluation import Report, evaluate, segment  # noqa: E402
from kuramoto.nn.tasks.presets import network_of  # noqa: E402

SMALL = [
    *("--set", "train_scenes=64", "--set", "validation_scenes=4", "--set", "batch=8"),
    *("--set", "model.channels=16", "--set", "validate_every=3", "--set", "log_every=1"),
]
QUIET = ["--quiet", "--device", "cpu"]
FEW = ["--limit", 4, "--scenes", 2, *QUIET]


def axes() -> Any:
    return Figure().subplots()


def trained(folder: Path, *more: object) -> Path:
    torch.set_num_threads(1)
    asked = ["train", "objects", "--preset", "toy", *QUIET, *SMALL, *more]
    assert code_of([*asked, "--out", folder, "--steps", 6]) == 0
    return folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("runs") / "net.v1")


@pytest.fixture(scope="module")
def baseline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("runs") / "itrsa", "--set", "model.name=itrsa")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run on a folder of images whose objects nobody knows, and the folder."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "images").mkdir()
    for number, pixels in enumerate(tetrominoes(20, 2).images):
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
    more = ["--set", "source=images", "--set", "size=32", "--data", folder / "images"]
    return trained(folder / "run", *more, "--set", "train_scenes=18"), folder / "images"


# --- curves -------------------------------------------------------------------------------------


def metrics() -> dict[str, np.ndarray]:
    nan = np.nan
    return {
        "step": np.array([10.0, 20.0, 30.0, 40.0]),
        "loss": np.array([4.0, 3.0, 2.5, 2.2]),
        "held_out_loss": np.array([nan, 3.1, nan, 2.4]),
        "fg_ari": np.array([nan, 0.2, nan, 0.6]),
        "mbo_i": np.array([nan, 0.3, nan, 0.5]),
    }


def lines_of(ax: Any) -> dict[str, np.ndarray]:
    return {line.get_label(): line.get_xydata() for line in ax.lines}


def test_scores_are_drawn_where_they_are_known() -> None:
    ax = axes()
    objects.draw_scores(ax, {"net": metrics()})
    lines = lines_of(ax)
    np.testing.assert_allclose(lines["FG-ARI"], [[20, 20], [40, 60]])
    np.testing.assert_allclose(lines["MBO"], [[20, 30], [40, 50]])
    assert len({line.get_color() for line in ax.lines}) == 2
    ax = axes()
    objects.draw_scores(ax, {"a": metrics(), "b": metrics()})
    colors = [line.get_color() for line in ax.lines]
    assert colors[0] == colors[1] != colors[2] == colors[3]
    assert ax.get_legend_handles_labels()[1] == ["a", "b"]


def test_losses_are_named() -> None:
    ax = axes()
    objects.draw_losses(ax, {"net": metrics()})
    texts = [text.get_text() for text in ax.get_legend().get_texts()]
    assert texts == ["training", "held-out scenes"]
    assert ax.get_ylabel() == "SimCLR's loss"
    ax = axes()
    objects.draw_losses(ax, {"boards": metrics(), "b": metrics()})
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["boards", "b"]


def report(clusters: int = 4) -> Report:
    rows = tuple({"clusters": k, "fg_ari": k / 10, "mbo_i": k / 20} for k in (2, 4, 8))
    return Report(7, 0, {"fg_ari": (0.4,), "mbo_i": (0.2,)}, rows, {"clusters": clusters}, 1.0)


def test_the_number_of_clusters_asked_for_is_marked() -> None:
    ax = axes()
    objects.draw_sweep(ax, {"net": report()})
    *curves, mark = ax.lines
    np.testing.assert_allclose(curves[0].get_xydata(), [[2, 20], [4, 40], [8, 80]])
    np.testing.assert_allclose(curves[1].get_xydata(), [[2, 10], [4, 20], [8, 40]])
    assert set(mark.get_xdata()) == {4}
    assert "7 scenes" in ax.get_xlabel()


# --- scenes -------------------------------------------------------------------------------------


def pieces(n: int = 2) -> Scenes:
    return tetrominoes(n, 1)


def portrait(name: str = "net", scenes: Scenes | None = None, **more: Any) -> ObjectPortrait:
    scenes = pieces() if scenes is None else scenes
    labels, features = segment(torch.nn.AvgPool2d(4), scenes.images, 4)
    return ObjectPortrait(name, scenes=scenes, labels=labels, features=features, **more)


def test_clusters_take_the_colours_of_objects_and_are_scored() -> None:
    scenes, ax = pieces(), axes()
    labels = np.array(scenes.labels[0]) * 3 % 7  # other numbers, the same parts
    objects.draw_clusters(ax, scenes.images[0], labels, scenes.labels[0])
    expected = overlays.painted(scenes.images[0], scenes.labels[0])
    np.testing.assert_allclose(ax.images[0].get_array(), expected)
    assert ax.texts[0].get_text() == "FG-ARI 100, MBO 100"
    ax = axes()
    objects.draw_clusters(ax, scenes.images[0], labels)
    np.testing.assert_allclose(
        ax.images[0].get_array(), overlays.painted(scenes.images[0], labels + 1)
    )
    assert not ax.texts


def test_scores_in_words() -> None:
    scenes = pieces()
    labels, _ = segment(torch.nn.AvgPool2d(4), scenes.images, 3)
    ari = foreground_ari(scenes.labels[0], labels[0])
    mbo = mean_best_overlap(scenes.labels[0], labels[0])
    words = objects.scores_in_words(scenes.labels[0], labels[0])
    assert words == f"FG-ARI {100 * ari:.0f}, MBO {100 * mbo:.0f}"
    assert objects.scores_in_words(np.zeros((4, 4), int), np.zeros((4, 4), int)) == ""


def titles(figure: Figure) -> list[str]:
    return [ax.get_title() for ax in figure.axes if ax.get_title()]


def test_a_page_holds_what_is_known() -> None:
    page = objects.figure_objects([portrait(metrics=metrics(), report=report())], title="net")
    assert len(page.axes) == 3 + 2 * 4
    assert titles(page) == ["image", "objects", "clusters", "PCA 1-3"]  # three colours, no more
    alone = objects.figure_objects([ObjectPortrait("net", metrics())])
    assert len(alone.axes) == 2
    unknown = Scenes(pieces().images)
    page = objects.figure_objects([portrait(scenes=unknown)])
    assert titles(page) == ["image", "clusters", "PCA 1-3"]
    with pytest.raises(ValueError, match="There is nothing to draw, metrics or scenes: net has"):
        objects.figure_objects([ObjectPortrait("net")])


def test_scenes_keep_their_shape() -> None:
    flat = Scenes(np.array(pieces().images[:, :16]))
    square, page = (
        objects.figure_objects([portrait(scenes=s)]) for s in (Scenes(pieces().images), flat)
    )
    assert page.get_figheight() < 0.7 * square.get_figheight()


def test_several_networks_are_drawn_on_the_same_scenes() -> None:
    other = portrait("c", Scenes(tetrominoes(2, 9).images, tetrominoes(2, 9).labels))
    page = objects.figure_objects([portrait("a"), portrait("b"), other])
    assert titles(page) == ["image", "objects", "a", "PCA 1-3", "b", "PCA 1-3"]


# --- from folders -------------------------------------------------------------------------------


def test_a_portrait_holds_what_was_computed(run: Path) -> None:
    opened = training.Run(run)
    asked = Asked(limit=3, rows=2, clusters=3, sweep=(2, 5), steps=7, batch=2)
    found, missing = objects_runs.portrait_of(opened, "net", asked)
    assert missing == []
    net = network_of(opened, "objects")
    scenes = tetrominoes(3, 0, first=60_000)  # those for test
    np.testing.assert_array_equal(found.scenes.images, scenes.images[:2])

    def extract(images: Any) -> Any:
        return net.features(images, steps=7)

    labels, features = segment(extract, scenes.images[:2], 3)
    np.testing.assert_array_equal(found.labels, labels)
    np.testing.assert_array_equal(found.features, features)
    expected = evaluate(extract, scenes, 3, sweep=(2, 5), batch=2)
    assert found.report.scores == expected.scores
    assert found.report.sweep == expected.sweep
    assert found.metrics["step"].tolist() == [1, 2, 3, 4, 5, 6]
    usual, _ = objects_runs.portrait_of(opened, "net", Asked(limit=1, rows=1))
    assert [row["clusters"] for row in usual.report.sweep] == [*range(2, 11)]


def test_plot_draws_a_run(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = shutil.copytree(run, tmp_path / "net.v1")
    code, out, err = call(capsys, "plot", here, *FEW)
    target = tmp_path / "net.v1.png"
    assert (code, out, err) == (0, f"Wrote {target}\n", "")
    assert np.asarray(Image.open(target)).std() > 10
    target.write_text("precious")
    code, _, err = call(capsys, "plot", here, *FEW)
    assert (code, target.read_text()) == (2, "precious")
    assert "exists already" in err
    assert call(capsys, "plot", here, *FEW, "--force")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["net.v1", "net.v1.png"]


def test_plot_draws_several_and_networks_without_energy(
    run: Path, baseline: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "both.pdf"
    how = ["--up-tile", 2, "--method", "k-means", "--components", 6, "--sweep", "2-3"]
    assert call(capsys, "plot", baseline, run, *FEW, *how, "--out", out)[0] == 0
    assert out.read_bytes().startswith(b"%PDF")


def test_images_without_objects(
    own: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("KURAMOTO_DATA", raising=False)
    folder, images = own
    found, missing = objects_runs.portrait_of(training.Run(folder), "own", Asked(images))
    assert (missing, found.report) == ([], None)
    assert found.scenes.labels is None
    assert len(found.labels) == len(found.scenes) == 2  # the last tenth
    out = ["--out", tmp_path / "a.png", *FEW, "--force"]
    assert call(capsys, "plot", folder, "--data", images, *out)[:2] == (0, f"Wrote {out[1]}\n")
    code, said, _ = call(capsys, "plot", folder, *out)
    assert code == 0
    assert said.startswith("Left out of run: clusters (Source images reads files: pass --data")
    code, _, err = call(capsys, "animate", folder, *QUIET)
    assert code == 2
    assert "No image to look at: pass --image, or --data for a scene of the run's." in err
    code, _, err = call(capsys, "plot", folder, "--data", tmp_path / "no", *out)
    assert code == 2


def test_what_is_not_there_yet_is_left_out(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    young = shutil.copytree(run, tmp_path / "young")
    (young / "weights.safetensors").unlink()
    code, out, _ = call(capsys, "plot", young, *FEW)
    assert code == 0
    assert "Left out of young: clusters (File" in out
    (young / "metrics.csv").unlink()
    code, out, err = call(capsys, "plot", young, *FEW, "--force")
    assert code == 2
    assert "nothing to draw" in err
    untold = shutil.copytree(run, tmp_path / "untold")
    (untold / "metrics.csv").unlink()
    code, out, _ = call(capsys, "plot", untold, *FEW)
    assert code == 0
    assert "Left out of untold: learning curves" in out


# --- oscillators, step by step ------------------------------------------------------------------


def network(**config: Any) -> Any:
    torch.manual_seed(0)
    return build("objects", "akorn", channels=16, heads=2, steps=3, **config).eval()


@pytest.mark.parametrize("blocks", [1, 2])
def test_watching_sees_the_run(blocks: int) -> None:
    net, scenes = network(blocks=blocks), pieces()
    found = objects_movie.watch(net, scenes.images[0], 3, steps=5, truth=scenes.labels[0])
    pixels = torch.from_numpy(np.array(scenes.images[:1])).permute(0, 3, 1, 2) / 255
    with torch.no_grad():
        moments = [m for m in net.run(pixels, 5) if m.block == blocks - 1]
        c = net.features(pixels, steps=5)
    assert found.states.shape == (6, 16, 8, 8)
    for step, moment in enumerate(moments, start=1):
        np.testing.assert_allclose(found.states[step], moment.state[0], atol=1e-6)
        np.testing.assert_allclose(found.energies[step], moment.energy[0, 0], rtol=1e-5)
    lengths = np.sqrt((found.states.reshape(6, 4, 4, 8, 8) ** 2).sum(2))
    np.testing.assert_allclose(lengths, 1, atol=1e-6)
    labels, _ = segment(lambda _: c, scenes.images[:1], 3)
    last = found.clusters[-1].repeat(4, 0).repeat(4, 1)
    np.testing.assert_array_equal(last, labels[0])
    scores = found.scores
    assert scores is not None
    assert scores[0, -1] == pytest.approx(float(foreground_ari(scenes.labels[0], labels[0])))
    assert found.words.endswith(f"MBO {100 * scores[1, -1]:.0f} %")


def test_seeds_choose_the_initial_state() -> None:
    net, image = network(seed=3), pieces().images[0]
    one, same, other = (
        objects_movie.watch(net, image, 3, seed=seed).states[0] for seed in (None, 3, 4)
    )
    np.testing.assert_array_equal(one, same)
    assert np.abs(one - other).max() > 0.1
    assert len(objects_movie.watch(net, image, 3).states) == 4 * 3 + 1


def binding(moments: int = 4, truth: np.ndarray | None = None) -> objects_movie.Binding:
    random = np.random.default_rng(0)
    states = random.normal(size=(moments, 8, 4, 4)).astype(np.float32)
    states[2:] = states[2]
    clusters = np.zeros((moments, 4, 4), np.int64)
    clusters[:-1, :2] = 1  # the same parts under other names, until the last
    clusters[-1, 2:] = 1
    image = random.integers(0, 256, (16, 16, 3), np.uint8)
    energies = 1 - np.arange(moments, dtype=np.float32)
    return objects_movie.Binding(image, states, clusters, energies, truth)


def test_colours_stay_the_same_while_states_do() -> None:
    found = binding()
    np.testing.assert_array_equal(found.colors[2], found.colors[3])
    assert np.abs(found.colors[1] - found.colors[2]).max() > 0.1
    np.testing.assert_array_equal(found.labels, np.broadcast_to(found.labels[-1], (4, 16, 16)))
    assert set(np.unique(found.labels)) == {1, 2}
    assert found.scores is None
    assert found.words == "energy 1 to -2 in 3 steps"
    truth = np.zeros((16, 16), int)
    truth[8:] = 5
    known = binding(truth=truth)
    np.testing.assert_array_equal(known.labels, np.broadcast_to(truth, (4, 16, 16)))
    np.testing.assert_allclose(known.scores, 1)
    assert binding(truth=np.zeros((16, 16), int)).scores is None


def test_frames_show_the_step() -> None:
    truth = np.zeros((16, 16), int)
    truth[8:, 8:] = 1
    found = binding(truth=truth)
    movie = objects_movie._Binding(found, "net")
    for row in (3, 1):
        picture = movie.frame(row)
        np.testing.assert_array_equal(movie.oscillators.get_array(), found.colors[row])
        painted = overlays.painted(found.image, found.labels[row])
        np.testing.assert_array_equal(movie.clusters.get_array(), painted)
        (line, head), _ = movie.curves[0]
        steps = np.arange(row + 1)
        np.testing.assert_array_equal(line.get_xydata(), np.column_stack([steps, 1 - steps]))
        assert head.get_xydata().tolist() == [[row, 1 - row]]
        for (line, _), values in zip(movie.curves[1:], 100 * found.scores, strict=True):
            (curve, _), _ = line, values
            np.testing.assert_allclose(curve.get_ydata(), values[: row + 1])
        assert f"step {row} of 3" in movie.clock.get_text()
        assert picture.size == (840, 490)
    assert len(objects_movie._Binding(binding(), "").curves) == 1


def test_animate_writes_a_gif(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a.gif"
    asked = ["--steps", 6, *QUIET, "--out", out]
    code, said, err = call(capsys, "animate", run, *asked)
    assert (code, err) == (0, "")
    assert said.startswith(f"Wrote {out}: energy ")
    assert "in 6 steps, FG-ARI" in said
    with Image.open(out) as movie:
        assert movie.n_frames == 7
        frames = []
        for number in (0, 6):
            movie.seek(number)
            frames.append(np.asarray(movie.convert("RGB")).astype(int))
        assert movie.info["duration"] == 2500
    assert (frames[0][0, 0] == 255).all()
    assert (frames[0] != frames[1]).any(-1).mean() > 0.01
    assert "exists already" in call(capsys, "animate", run, *asked)[2]
    Image.new("L", (60, 30)).save(tmp_path / "own.png")
    more = ["--image", tmp_path / "own.png", "--clusters", 2, "--every", 4, "--force"]
    code, said, _ = call(capsys, "animate", run, *asked, *more)
    assert code == 0
    assert said.endswith("in 6 steps\n")  # nobody knows its objects
    with Image.open(out) as movie:
        assert movie.n_frames == 2


def test_an_mp4_is_what_ffmpeg_makes_of_the_frames(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="MP4 needs the program ffmpeg"):
        objects_movie.write_binding(binding(), tmp_path / "a.mp4")
    program = tmp_path / "ffmpeg"
    program.write_text('#!/bin/sh\nfor out; do :; done\n/bin/cat > "$out"\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    objects_movie.write_binding(binding(), tmp_path / "a.mp4", seconds_per_frame=0.5)
    assert (tmp_path / "a.mp4").stat().st_size == 3 * 840 * 490 * (4 + 5)  # 2.5 s more
    with pytest.raises(ValueError, match=r"`out` must end in .gif or .mp4"):
        objects_movie.write_binding(binding(), tmp_path / "a.png")


def test_interrupted_is_130_and_leaves_nothing(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def stop(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(objects_runs, "evaluate", stop)
    monkeypatch.setattr(movies, "_palette", stop)
    for arguments in (["plot", run, *FEW], ["animate", run, *QUIET, "--steps", 2]):
        code, out, err = call(capsys, *arguments, "--out", tmp_path / "a.gif")
        assert (code, out, err) == (130, "", "kuramoto: interrupted\n")
    assert not list(tmp_path.iterdir())


# --- which options, and bad input ---------------------------------------------------------------


def test_help_is_of_the_runs_task(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plot = call(capsys, "plot", run, "--help")[1]
    assert plot.startswith("Usage: kuramoto plot ")
    assert "--up-tile S" in plot
    assert "--boards" not in plot
    assert "--image FILE" in call(capsys, "animate", run, "-h")[1]


def test_a_run_of_another_task_beside_it(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = shutil.copytree(run, tmp_path / "other")
    about = json.loads((other / "config.json").read_text())
    about["recipe"]["task"] = "sudoku"
    (other / "config.json").write_text(json.dumps(about))
    for pair, words in (
        ((run, other), "is of the task sudoku, not of objects"),
        ((other, run), ""),  # what it says is the other task's business
    ):
        code, out, err = call(capsys, "plot", *pair, "--out", tmp_path / "a.png", *QUIET)
        assert (code, out) == (2, "")
        assert words in err
        assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["plot", "RUN", "--out", "a.xyz"], "`out` must end in"),
        (["plot", "RUN", "--out", "no/a.png"], "Output folder no does not exist"),
        (["plot", "RUN", "--scenes", "0"], "`scenes` must be a whole number of at least 1"),
        (["plot", "RUN", "--limit", "0"], "`limit` must be a whole number of at least 1"),
        (["plot", "RUN", "--clusters", "900"], "at most the number of places an image has, 64"),
        (["plot", "RUN", "--sweep", "2-a"], "`sweep` must hold whole numbers"),
        (["plot", "RUN", "--sweep", "900"], "at most the number of places an image has, 64"),
        (["plot", "RUN", "--method", "mean"], "`method` must be one of average, k-means"),
        (["plot", "RUN", "--boards", "a.npz"], "No such option: --boards"),
        (["plot", "RUN", "--data", "."], "is generated and reads nothing"),
        (["plot", "RUN", "--device", "tpu"], "`device` must be cpu or cuda"),
        (["plot", "RUN", "RUN"], "The same run is given twice"),
        (["plot", "RUN", "nowhere"], "Folder nowhere holds no training run"),
        (["animate", "RUN", "--out", "a.png"], "`out` must end in .gif, .mp4"),
        (["animate", "RUN", "--image", "no.png"], "nothing is there"),
        (["animate", "RUN", "--scene", "-1"], "`scene` must be a whole number of at least 0"),
        (["animate", "RUN", "--scene", "320"], "`scene` must be less than the 320 scenes"),
        (["animate", "RUN", "--every", "0"], "`every` must be a whole number of at least 1"),
        (["animate", "RUN", "--seed", "-1"], "`seed` must be a whole number of at least 0"),
        (["animate", "RUN", "--clusters", "65"], "at most the number of places an image has, 64"),
        (["animate", "RUN", "--board", "1234"], "No such option: --board"),
        (["animate", "BASELINE"], "Model ImageItrSA has no energy to watch"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    arguments: list[str],
    words: str,
    run: Path,
    baseline: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    named = {"RUN": run, "BASELINE": baseline}
    code, out, err = call(capsys, *(named.get(word, word) for word in arguments), "--quiet")
    assert (code, out) == (2, "")
    assert err.startswith("kuramoto: error: ")
    assert words in err
    assert err.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_long_names_are_broken_at_their_underscores() -> None:
    assert objects._folded("run") == "run"
    assert objects._folded("tetrominoes_akorn_conv_seed_0") == "tetrominoes_akorn_\nconv_seed_0"
    assert objects._folded("a" * 40) == "a" * 40
