"""Commands on objects: scores, masks of images of any kind, and every way to misuse them."""

from __future__ import annotations

import json
import shutil
import warnings
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
from matplotlib.colors import to_rgb  # noqa: E402
from PIL import Image  # noqa: E402

from kuramoto.nn import training  # noqa: E402
from kuramoto.nn.commands.objects import numbers_of, told_in_lines  # noqa: E402
from kuramoto.nn.data.objects import tetrominoes  # noqa: E402
from kuramoto.nn.overlays import OBJECT_COLORS  # noqa: E402
from kuramoto.nn.pictures import objects_runs, segments  # noqa: E402
from kuramoto.nn.tasks import objects_evaluation  # noqa: E402
from kuramoto.nn.tasks.presets import network_of  # noqa: E402

SMALL = [
    *("--set", "train_scenes=64", "--set", "validation_scenes=4", "--set", "batch=8"),
    *("--set", "model.channels=16", "--set", "validate_every=3", "--set", "log_every=1"),
]
TRAIN = ["train", "objects", "--preset", "toy", "--quiet", "--device", "cpu", *SMALL]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    torch.set_num_threads(1)
    assert code_of([*TRAIN, "--out", folder, "--steps", 6]) == 0
    return folder


@pytest.fixture(scope="module")
def pictures() -> list[Image.Image]:
    return [Image.fromarray(pixels) for pixels in tetrominoes(4, 3).images]


@pytest.fixture
def folder(tmp_path: Path, pictures: list[Image.Image]) -> Path:
    """A folder of images of several sizes and modes."""
    place = tmp_path / "photos"
    (place / "more").mkdir(parents=True)
    pictures[0].save(place / "small.png")
    pictures[1].resize((90, 61)).save(place / "wide.jpg")
    pictures[2].convert("RGBA").resize((40, 70)).save(place / "tall.png")
    pictures[3].convert("P").save(place / "more" / "palette.gif")
    pictures[3].convert("L").save(place / "more" / "gray.tif")
    pictures[3].convert("1").save(place / "more" / "small.png")
    return place


def spoil(place: Path, pictures: list[Image.Image]) -> dict[str, str]:
    """Add files that cannot be used; return what is wrong with each."""
    (place / "b_text.png").write_text("hello")
    whole = place / "b_cut.jpg"
    pictures[0].resize((200, 200)).save(whole)
    whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    Image.fromarray(np.zeros((9, 9), np.uint16)).save(place / "b_deep.png")
    Image.new("RGB", (3000, 1)).save(place / "b_thin.png")
    return {
        "b_text.png": "no image that Pillow knows",
        "b_cut.jpg": "truncated",
        "b_deep.png": "of 8 bits a channel",
        "b_thin.png": "more than average linkage can cluster",
    }


QUIET = ["--quiet", "--device", "cpu"]

# --- evaluate -----------------------------------------------------------------------------------


def test_evaluate_prints_a_table_and_writes_it(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.json"
    asked = [*QUIET, "--limit", 6, "--sweep", "2,5-6", "--up-tile", 2, "--out", out]
    code, text, err = call(capsys, "evaluate", "objects", run, *asked)
    assert (code, err) == (0, "")
    report = json.loads(out.read_text())
    assert report["images"] == 6
    assert [row["clusters"] for row in report["sweep"]] == [2, 4, 5, 6]
    assert f"FG-ARI                {100 * np.mean(report['scores']['fg_ari']):8.2f}" in text
    lines = text.splitlines()
    table = lines[lines.index("clusters   FG-ARI    MBO_i") + 1 :][:4]
    assert table == [
        f"{row['clusters']:8d}{100 * row['fg_ari']:9.2f}{100 * row['mbo_i']:9.2f}"
        for row in report["sweep"]
    ]
    assert "up_tile 2, patch_size 4" in lines[-1]
    code, _, err = call(capsys, "evaluate", "objects", run, *asked)
    assert code == 2
    assert "exists already" in err
    assert call(capsys, "evaluate", "objects", run, *asked, "--force")[0] == 0


def test_evaluate_scores_what_the_library_scores(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "report.json"
    asked = ["--limit", 5, "--clusters", 3, "--method", "k-means", "--components", 4, "--seed", 2]
    asked += ["--steps", 9, "--batch", 3, "--split", "validation", "--out", out]
    assert call(capsys, "evaluate", "objects", run, *asked, *QUIET)[0] == 0
    opened = training.Run(run)
    net = network_of(opened, "objects")
    # Those for validation follow the 320 for test.
    held = tetrominoes(1000, opened.recipe["options"]["data_seed"], first=60_320)
    rows = np.linspace(0, 999, 5).round().astype(int)
    how: dict[str, Any] = {"method": "k-means", "components": 4, "seed": 2, "batch": 3}
    expected = objects_evaluation.evaluate(
        lambda images: net.features(images, steps=9), held.take(rows), 3, **how
    )
    assert json.loads(out.read_text())["scores"]["ari"] == list(expected.scores["ari"])
    assert json.loads(out.read_text())["settings"] == expected.settings


@pytest.mark.parametrize(
    ("text", "numbers"),
    [(None, []), ("3", [3]), ("8,2,4", [2, 4, 8]), ("2-4", [2, 3, 4]), ("9,2-3", [2, 3, 9])],
)
def test_numbers_of_clusters(text: str | None, numbers: list[int]) -> None:
    assert numbers_of(text) == numbers


@pytest.mark.parametrize("text", ["", "a", "2-", "-2", "0", "5-3", "2,,3", "2.5"])
def test_numbers_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match="`sweep` must hold"):
        numbers_of(text)


# --- segment: what is written -------------------------------------------------------------------


def test_segment_writes_masks_of_every_image(
    run: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found"
    code, text, err = call(capsys, "segment", run, folder, *QUIET, "--up-tile", 2, "--out", out)
    sheet = out / "contact_sheet.png"
    assert (code, err) == (0, "")
    assert text == f"Wrote overlays and labels of 6 images; see {sheet}\n"
    names = ["small.png", "wide", "tall", "palette", "gray", "more_small.png"]
    kinds = ("labels", "overlay")
    made = {f"{name}_{kind}.png" for name in names for kind in kinds}
    assert {path.name for path in out.iterdir()} == made | {sheet.name}
    sizes = [(32, 32), (90, 61), (40, 70), (32, 32), (32, 32), (32, 32)]
    for name, size in zip(names, sizes, strict=True):
        with Image.open(out / f"{name}_labels.png") as picture:
            assert (picture.mode, picture.size) == ("P", size)
            labels = np.asarray(picture)
            colors = np.asarray(picture.convert("RGB"))
        counts = np.bincount(labels.ravel())
        assert 1 < len(counts) <= 4
        assert (counts > 0).all()
        for label in range(len(counts)):
            expected = np.round(255 * np.array(to_rgb(OBJECT_COLORS[label])))
            assert (colors[labels == label] == expected).all()
        with Image.open(out / f"{name}_overlay.png") as picture:
            assert (picture.mode, picture.size) == ("RGB", size)
    with Image.open(sheet) as picture:
        assert np.asarray(picture.convert("L")).std() > 10


def test_labels_are_those_of_the_library_whatever_else_is_segmented(
    run: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    how = ["--clusters", 5, "--steps", 7, *QUIET]
    assert call(capsys, "segment", run, folder, *how, "--out", tmp_path / "all")[0] == 0
    one = folder / "small.png"
    assert call(capsys, "segment", run, one, *how, "--out", tmp_path / "one")[0] == 0
    alone = np.asarray(Image.open(tmp_path / "one" / "small_labels.png"))
    among = np.asarray(Image.open(tmp_path / "all" / "small.png_labels.png"))
    np.testing.assert_array_equal(alone, among)
    opened = training.Run(run)
    net = network_of(opened, "objects")
    expected, _ = objects_evaluation.segment(
        lambda images: net.features(images, steps=7), np.array(Image.open(one))[None], 5
    )
    np.testing.assert_array_equal(alone, expected[0])


def test_overlays_take_the_labels_colours_and_lines_where_there_is_room() -> None:
    image = np.full((200, 200, 3), 255, np.uint8)
    labels = np.zeros((200, 200), np.int64)
    labels[:, 100:] = 1
    found = np.asarray(Image.open(_file(segments.overlay_png(image, labels)))) / 255
    np.testing.assert_allclose(
        found[5, 5], 0.4 + 0.6 * np.array(to_rgb(OBJECT_COLORS[0])), atol=3e-3
    )
    np.testing.assert_allclose(
        found[5, 150], 0.4 + 0.6 * np.array(to_rgb(OBJECT_COLORS[1])), atol=3e-3
    )
    white = (found == 1).all(-1)
    assert white[:, 99].all()
    assert white.sum() == 200
    small = np.asarray(Image.open(_file(segments.overlay_png(image[:40], labels[:40]))))
    assert not (small == 255).all(-1).any()


def _file(content: bytes) -> Any:
    import io

    return io.BytesIO(content)


def test_label_maps_are_lossless(tmp_path: Path) -> None:
    labels = np.arange(256).reshape(16, 16)
    found = Image.open(_file(segments.label_png(labels)))
    np.testing.assert_array_equal(np.asarray(found), labels)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "1", "LA", "CMYK"])
@pytest.mark.parametrize("channels", [1, 3])
def test_images_of_every_mode_are_seen(mode: str, channels: int, tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    source = Image.fromarray(random.integers(0, 256, (12, 20, 3), np.uint8)).convert(mode)
    path = tmp_path / ("a.tif" if mode == "CMYK" else "a.png")
    source.save(path)
    view = segments.view_of(path, channels, 4, 0)
    np.testing.assert_array_equal(view.shown, np.asarray(source.convert("RGB")))
    expected = np.asarray(source.convert("RGB" if channels == 3 else "L"))
    np.testing.assert_array_equal(view.seen, expected.reshape(12, 20, channels))


@pytest.mark.parametrize(
    ("shape", "size", "seen"),
    [
        ((12, 20), 0, (12, 20)),
        ((13, 21), 0, (12, 20)),
        ((1, 1), 0, (4, 4)),
        ((300, 600), 32, (32, 64)),
        ((600, 290), 32, (68, 32)),
        ((10, 20), 32, (32, 64)),
    ],
)
def test_sides_become_multiples_of_the_patch(
    shape: tuple[int, int], size: int, seen: tuple[int, int], tmp_path: Path
) -> None:
    Image.new("RGB", shape[::-1]).save(tmp_path / "a.png")
    view = segments.view_of(tmp_path / "a.png", 3, 4, size)
    assert (view.shown.shape, view.seen.shape) == ((*shape, 3), (*seen, 3))


def test_clusters_fall_where_the_image_has_them(tmp_path: Path) -> None:
    pixels = np.zeros((60, 100, 3), np.uint8)
    pixels[:, 70:] = 255
    Image.fromarray(pixels).save(tmp_path / "a.png")
    tool = segments.Segmenter(torch.nn.AvgPool2d(2), 2, 3, 2)
    labels, features = tool.segment(tmp_path / "a.png", tool.read(tmp_path / "a.png"))
    np.testing.assert_array_equal(labels, pixels[..., 0] > 0)
    assert features.shape == (1, 3, 30, 50)


def test_sheets_show_some_of_many() -> None:
    sheet = segments.Sheet([str(k) for k in range(100)])
    shown = set()
    for row in range(100):
        before = len(sheet._rows)
        labels = np.zeros((600, 300), np.int64)
        sheet.add(row, np.zeros((600, 300, 3), np.uint8), labels, np.zeros((1, 3, 4, 2)))
        if len(sheet._rows) > before:
            shown.add(row)
            assert max(sheet._rows[-1][1].shape) <= 256
    assert len(shown) == 24
    assert {0, 99} <= shown


# --- segment: which files -----------------------------------------------------------------------


def test_each_image_once_and_none_of_the_output(folder: Path) -> None:
    out = folder / "found"
    out.mkdir()
    shutil.copy(folder / "small.png", out / "small_overlay.png")
    found = segments.find_images([folder / "small.png", folder, folder / "more"], out)
    assert found[0] == folder / "small.png"
    assert len(found) == 6
    assert not [path for path in found if path.is_relative_to(out)]


def test_names_tell_files_apart() -> None:
    files = [Path("a/x.png"), Path("a/x.jpg"), Path("b/x.png"), Path("b/y.png"), Path("a_x.png")]
    names = segments.outputs_of(files)
    assert len({name.lower() for name in names}) == len(names)
    assert names == ["a_x.png", "a_x.jpg", "b_x.png", "y", "a_x"]
    again = segments.outputs_of([Path("a/b/X.png"), Path("a_b/x.png"), Path("a/b_x.png")])
    assert len({name.lower() for name in again}) == 3


def test_nothing_is_written_over_without_force(
    run: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "found"
    out.mkdir()
    (out / "wide_labels.png").write_text("precious")
    code, text, err = call(capsys, "segment", run, folder, *QUIET, "--out", out)
    assert (code, text) == (2, "")
    assert "wide_labels.png exists already" in err
    assert [path.read_text() for path in out.iterdir()] == ["precious"]
    assert call(capsys, "segment", run, folder, *QUIET, "--out", out, "--force")[0] == 0
    assert len(list(out.iterdir())) == 13


def test_bad_files_stop_everything_before_it_begins(
    run: Path,
    folder: Path,
    pictures: list[Image.Image],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong = spoil(folder, pictures)
    out = tmp_path / "found"
    code, text, err = call(capsys, "segment", run, folder, *QUIET, "--out", out)
    assert (code, text) == (2, "")
    assert err.startswith("kuramoto: error: 4 of 10 images cannot be used; the first: ")
    assert "b_cut.jpg" in err
    assert err.endswith("or pass --skip-bad to leave them out.\n")
    assert err.count("\n") == 1
    assert not out.exists()
    for name, words in wrong.items():
        code, text, err = call(capsys, "segment", run, folder / name, *QUIET, "--out", out)
        assert (code, text) == (2, "")
        assert name in err
        assert words in err
        assert err.count("\n") == 1


def test_bad_files_are_left_out_and_counted(
    run: Path,
    folder: Path,
    pictures: list[Image.Image],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    wrong = spoil(folder, pictures)
    out, skip = tmp_path / "found", [*QUIET, "--skip-bad"]
    code, text, err = call(capsys, "segment", run, folder, *skip, "--out", out)
    assert code == 0
    assert text.startswith("Wrote overlays and labels of 6 images, left out 4; see ")
    told = err.splitlines()
    assert len(told) == 4
    for line, name in zip(told, sorted(wrong), strict=True):
        assert line.startswith(f"Left out {folder / name}: ")
        assert wrong[name] in line
    assert len(list(out.iterdir())) == 13
    bad = [folder / name for name in wrong]
    code, _, err = call(capsys, "segment", run, *bad, *skip, "--out", tmp_path / "none")
    assert code == 2
    assert "None of the 4 images can be used; the first: " in err
    assert not (tmp_path / "none").exists()


def test_interrupted_is_130_and_what_is_written_stays(
    run: Path,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    whole, calls = segments.Segmenter.segment, []

    def stop(self: Any, path: Path, view: Any) -> Any:
        calls.append(path)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(self, path, view)

    monkeypatch.setattr(segments.Segmenter, "segment", stop)
    out = tmp_path / "found"
    code, text, err = call(capsys, "segment", run, folder, *QUIET, "--out", out)
    assert (code, text) == (130, "")
    assert err == "kuramoto: interrupted; what is written stays; --force writes it again\n"
    assert len(list(out.iterdir())) == 4


def test_memory_that_does_not_suffice_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")

    def greedy(_: Any) -> Any:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried")

    tool = segments.Segmenter(greedy, 2, 3, 2)
    with pytest.raises(ValueError, match=r"a\.png needs more memory than there is at 8 x 8"):
        tool.segment(tmp_path / "a.png", tool.read(tmp_path / "a.png"))

    def broken(_: Any) -> Any:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    tool = segments.Segmenter(broken, 2, 3, 2)
    with pytest.raises(RuntimeError, match="mat1"):
        tool.segment(tmp_path / "a.png", tool.read(tmp_path / "a.png"))


def test_networks_see_images_as_they_did_in_training(run: Path) -> None:
    opened = training.Run(run)
    usual = objects_runs.segmenter(opened)
    assert (usual.clusters, usual.channels, usual.patch_size, usual.size) == (4, 3, 4, 32)
    assert objects_runs.segmenter(opened, size=0, clusters=2).size == 0


# --- bad input ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["evaluate", "objects", "nowhere"], "Folder nowhere holds no training run"),
        (["evaluate", "sudoku", "RUN"], "is of the task objects, not "),
        (["evaluate", "objects", "RUN", "--method", "avrage"], "did you mean `average`?"),
        (["evaluate", "objects", "RUN", "--sweep", "2;3"], "`sweep` must hold whole numbers"),
        (["evaluate", "objects", "RUN", "--clusters", "0"], "`clusters` must be a whole number"),
        (["evaluate", "objects", "RUN", "--clusters", "65"], "at most the number of places"),
        (["evaluate", "objects", "RUN", "--up-tile", "0"], "`up_tile` must be a whole number"),
        (["evaluate", "objects", "RUN", "--limit", "0"], "`limit` must be a whole number"),
        (["evaluate", "objects", "RUN", "--split", "tst"], "`split` must be one of train"),
        (["evaluate", "objects", "RUN", "--source", "shape"], "did you mean `shapes`?"),
        (["evaluate", "objects", "RUN", "--out", "no/a.json"], "Output folder no does not exist"),
        (["evaluate", "objects", "RUN", "--device", "tpu"], "`device` must be cpu or cuda"),
        (
            ["evaluate", "objects", "RUN", "--up-tile", "2", "--interpolation", "cubic"],
            "did you mean `bicubic`?",
        ),
        (["evaluate", "objects", "RUN", "--data", "."], "is generated and reads nothing"),
        (["segment", "RUN"], "Missing argument"),
        (["segment", "RUN", "nowhere"], "is 'nowhere': nothing is there"),
        (["segment", "RUN", "EMPTY"], "`images` must hold images"),
        (["segment", "nowhere", "IMAGE"], "Folder nowhere holds no training run"),
        (["segment", "RUN", "IMAGE", "--out", "no/a"], "Output folder no does not exist"),
        (["segment", "RUN", "IMAGE", "--out", "IMAGE"], "`out` must be a folder"),
        (["segment", "RUN", "EMPTY", "--out", "EMPTY"], "`out` must be another folder"),
        (["segment", "RUN", "IMAGE", "--clusters", "65"], "the number of places of"),
        (["segment", "RUN", "IMAGE", "--clusters", "300"], "`clusters` must be at most 256"),
        (["segment", "RUN", "IMAGE", "--clusters", "0"], "`clusters` must be a whole number"),
        (
            ["segment", "RUN", "IMAGE", "--size", "-1"],
            "`size` must be a whole number of at least 0",
        ),
        (["segment", "RUN", "IMAGE", "--size", "1"], "`clusters` must be at most the number of"),
        (["segment", "RUN", "IMAGE", "--method", "kmeans"], "did you mean `k-means`?"),
        (["segment", "RUN", "IMAGE", "--interpolation", "cubic"], "did you mean `bicubic`?"),
        (["segment", "RUN", "IMAGE", "--seed", "-1"], "`seed` must be a whole number"),
        (["segment", "RUN", "IMAGE", "--steps", "0"], "`steps` must be a whole number"),
        (["segment", "RUN", "IMAGE", "--speed", "2"], "No such option: --speed"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    arguments: list[str],
    words: str,
    run: Path,
    pictures: list[Image.Image],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "here").mkdir()
    pictures[0].save(tmp_path / "a.png")
    monkeypatch.chdir(tmp_path / "here")
    named = {"RUN": run, "IMAGE": tmp_path / "a.png", "EMPTY": tmp_path / "empty"}
    code, out, err = call(capsys, *(named.get(word, word) for word in arguments), "--quiet")
    assert (code, out) == (2, "")
    assert err.startswith("kuramoto: error: ")
    assert words in err
    assert err.count("\n") == 1
    assert not list((tmp_path / "here").iterdir())


def test_a_folder_without_weights(
    run: Path, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    young = shutil.copytree(run, tmp_path / "young")
    (young / "weights.safetensors").unlink()
    for arguments in (["evaluate", "objects", young], ["segment", young, folder]):
        code, out, err = call(capsys, *arguments, *QUIET)
        assert (code, out) == (2, "")
        assert "weights.safetensors does not exist" in err


def test_warnings_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with told_in_lines():
        warnings.warn("Left out a.png:\nit is no image.", stacklevel=1)
    assert capsys.readouterr().err == "kuramoto: Left out a.png: it is no image.\n"


def test_help_tells_the_options(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "segment", "-h")
    assert code == 0
    assert out.startswith("Usage: kuramoto segment [OPTIONS]")
    assert "--skip-bad" in out
    assert "--sweep K1,K2,..." in call(capsys, "evaluate", "objects", "--help")[1]
    assert "Find objects in images" in call(capsys, "--help")[1]
