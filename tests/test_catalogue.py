"""Models by name and path, and where they are loaded to."""

import pytest
import torch

import enlarging
import unnoise
from unnoise import catalogue
from unnoise.core.error import Refused
from unnoise.weights import shelves


@pytest.fixture
def home(tmp_path, tiny_model, monkeypatch):
    """A person's own models: one that is whole and one that is not."""
    monkeypatch.setenv("UNNOISE_HOME", str(tmp_path))
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "mine.safetensors").write_bytes(tiny_model.read_bytes())
    (tmp_path / "models" / "cut.safetensors").write_bytes(tiny_model.read_bytes()[:-1])
    return tmp_path


def test_a_model_is_found_by_name_and_by_path(home, tiny_model):
    assert {"mine", "cut"} <= set(catalogue.models())
    assert catalogue.find("mine") == home / "models" / "mine.safetensors"
    assert catalogue.find(str(tiny_model)) == tiny_model
    assert unnoise.describe("mine").name == "mine" and unnoise.describe(str(tiny_model)).name == "tiny"


def test_a_folder_is_found_by_name_and_by_path(home, monkeypatch):
    from families.strangers import folder

    folder(home / "models" / "folder")
    assert "folder" in set(catalogue.models()) and catalogue.find("folder") == home / "models" / "folder"
    monkeypatch.chdir(home / "models")
    for word in ("./folder", str(home / "models" / "folder")):
        assert catalogue.find(str(catalogue.find(word))).samefile(home / "models" / "folder")
    found = unnoise.describe("./folder")
    assert found.name == "folder" and catalogue.holding([*found.files.values(), "0" * 64]) == "folder"
    assert catalogue.holding(["0" * 64], "folder") is None


def test_a_person_s_own_model_comes_before_the_shipped_one(home, monkeypatch):
    monkeypatch.setattr(shelves, "shelves", lambda: (home / "models", home))
    (home / "mine.safetensors").touch()
    assert catalogue.find("mine") == home / "models" / "mine.safetensors"
    assert list(catalogue.models()) == ["cut", "mine"]


def test_a_path_may_start_at_home(home, monkeypatch, tiny_model):
    monkeypatch.setenv("HOME", str(tiny_model.parent))
    assert catalogue.find("~/tiny.safetensors") == tiny_model


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("mime", "did you mean 'mine'?"),
        ("", "known are"),
        ("a\0b", "NUL"),
        ("nowhere/x.safetensors", "no model file"),
        ("x" * 10_000, "no model"),
        ("/" + "x" * 10_000, "no model file"),
        ("..", "no model"),
        ("/", "the folder / holds no model"),
        ("\udcff", "no model"),
    ],
)
def test_a_model_that_is_not_there_is_refused(home, name, said):
    with pytest.raises(Refused) as refused:
        catalogue.find(name)
    assert said in str(refused.value) and len(str(refused.value)) < 500


def test_a_file_or_folder_here_is_taken_where_no_name_is_known(home, monkeypatch, tmp_path, tiny_model):
    from families.strangers import folder

    here = tmp_path / "here"
    folder(here / "sd1")
    folder(here / "mine")
    (here / "alone").write_bytes(tiny_model.read_bytes())
    monkeypatch.chdir(here)
    assert catalogue.find("sd1") == here / "sd1" and catalogue.find("alone") == here / "alone"
    assert catalogue.find("mine") == home / "models" / "mine.safetensors"
    assert [n for n in ("sd1", "alone", "mine", "emoji", "nowhere", "..", "", "a\0b") if catalogue.is_path(n)] == [
        "sd1",
        "alone",
    ]
    assert unnoise.describe("sd1").family == "sd1"
    assert catalogue.reading({"vae": "sd1"}).parts == {"vae": [here / "sd1"]}


def test_what_lies_there_and_is_no_model_is_told(home, monkeypatch, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "fox.png").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    for name in ("notes", "./notes"):
        with pytest.raises(Refused, match=r"notes holds no model: a model's folder has a model_index.json"):
            catalogue.find(name)
    (tmp_path / "notes" / "model.safetensors").write_bytes(b"")
    with pytest.raises(Refused, match=r"notes is a training's: its model is notes/model\.safetensors"):
        catalogue.find("notes")
    with pytest.raises(Refused, match=r"fox\.png is a picture, no model: .*--like"):
        catalogue.find("fox.png")
    for name in ("nosuch", "no/such.safetensors"):
        with pytest.raises(Refused, match=f"no file or folder '{name}' to take the part vae from.*--part vae=PATH"):
            catalogue.reading({"vae": name})


def test_a_damaged_model_and_a_stranger_are_refused(home):
    from safetensors.torch import save_file

    with pytest.raises(Refused, match="cut short"):
        unnoise.load("cut")
    save_file({"a": torch.zeros(1)}, home / "models" / "other.safetensors")
    with pytest.raises(Refused, match="no model we know"):
        unnoise.describe("other")


def test_a_file_of_parts_is_no_model(home):
    from unnoise.networks.taesd import TAESD, TAESDConfig
    from unnoise.weights.parts import export_parts
    from unnoise.weights.store import write_tensors

    made = export_parts({"codec": TAESD(TAESDConfig())}, torch.float16, {})
    write_tensors(home / "models" / "codec.safetensors", *made)
    assert "codec" not in set(catalogue.models()) and catalogue.find("codec").stem == "codec"
    with pytest.raises(Refused, match="holds codec alone, no whole model"):
        unnoise.describe("codec")


def test_a_model_is_loaded_where_and_as_asked(tiny_model):
    model = unnoise.load(str(tiny_model), "cpu", "bfloat16")
    assert {p.dtype for p in model.denoiser.parameters()} == {torch.bfloat16}
    assert {p.device.type for p in model.conditioner.parameters()} == {"cpu"}
    assert {p.dtype for p in unnoise.load(str(tiny_model), "cpu").denoiser.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("device", "dtype"),
    [
        ("tpu", None),
        ("cpu:x", None),
        ("", "int4"),
        ("meta", None),
        ("x" * 999, None),
        ("cpu", "float"),
        ("cuda:99", None),
    ],
)
def test_a_place_that_is_not_there_is_refused(device, dtype):
    with pytest.raises(Refused) as refused:
        catalogue.place(device, dtype)
    assert refused.value.remedy and len(str(refused.value)) < 300


def test_a_library_reads_a_model_once(home):
    shelf = unnoise.library(device="cpu")
    assert shelf.model("mine") is shelf.model("mine")
    assert shelf.describe("mine") == shelf.model("mine").description


def test_a_library_holds_models_and_files_by_any_name(tiny_model):
    held = unnoise.load(str(tiny_model), "cpu")
    shelf = unnoise.library({"held": held, "file": tiny_model}, device="cpu", exact=True)
    assert shelf.exact
    for name in ("held", "file"):
        assert shelf.describe(name).name == shelf.model(name).description.name == name
    assert shelf.model("held").denoiser is held.denoiser
    assert shelf.describe("file").files == held.description.files


def test_a_library_keeps_paused_runs_by_their_content(tiny_model, tmp_path):
    from unnoise.weights.paused import write

    shelf = unnoise.library({"tiny": tiny_model}, device="cpu")
    paused = next(unnoise.Generate(prompt="x", model="tiny", seed=1, steps=3).run(shelf)).paused()
    digest = write(tmp_path / "s.safetensors", paused)
    assert shelf.register(paused) == shelf.register(tmp_path / "s.safetensors") == digest
    assert shelf.state(digest).record == paused.record
    assert unnoise.library()._held.states == {}  # no library shares another's
    with pytest.raises(Refused, match="holds no state"):
        shelf.state("f" * 64)


def test_an_upscaler_is_found_among_upscalers(home, tmp_path):
    enlarging.written(home / "models" / "large.safetensors")
    assert list(catalogue.models("upscaler"))[:1] == ["large"] and "mine" not in catalogue.models("upscaler")
    assert "large" not in catalogue.models() and "cut" in catalogue.models()
    shelf = unnoise.library({"x4": home / "models" / "large.safetensors"}, device="cpu", dtype="bfloat16")
    found = shelf.upscaler("x4")
    assert shelf.upscaler("x4") is found and found.name == "x4" and list(found.files) == ["large.safetensors"]
    assert {p.dtype for p in found.network.parameters()} == {torch.bfloat16}
    with pytest.raises(Refused, match="no upscaler 'larg': did you mean 'large'"):
        shelf.upscaler("larg")


def test_weights_are_found_under_any_name(home, tiny_model, monkeypatch):
    digest = next(iter(unnoise.describe("mine").files.values()))
    monkeypatch.setattr(shelves, "shelves", lambda: (home / "models",))
    assert catalogue.holding([digest]) == catalogue.holding([digest], "nobody") == "mine"
    (home / "models" / "again.safetensors").write_bytes(tiny_model.read_bytes())
    assert catalogue.holding([digest], "mine") == "mine" and catalogue.holding([digest]) == "again"
    assert catalogue.holding(["0" * 64], "mine") is catalogue.holding([]) is None
    assert catalogue.holding([digest], str(tiny_model)) == "again"  # a stranger's path is not looked at
