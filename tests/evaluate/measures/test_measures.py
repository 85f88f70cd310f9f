"""Every measure tells figures of a case, of whatever there is; none takes good pictures for bad ones."""

from dataclasses import replace

import pytest
import torch

from evaluate.sets import pictures
from unnoise.core.error import Refused
from unnoise.evaluate.case import Case
from unnoise.evaluate.draw import draw, order
from unnoise.evaluate.features import opened
from unnoise.evaluate.measures import MEASURES, chosen
from unnoise.evaluate.memorisation import expected

OURS = ("duplicates", "frechet", "kernel", "likelihood", "loss", "memorisation", "precision_recall", "rate")


def drawings(count, seed, bright=(0, 200)):
    """A square of one colour on another: as different as emoji are."""
    random = torch.Generator().manual_seed(seed)
    low, high = bright
    made = torch.randint(low, high, (count, 3, 1, 1), generator=random).repeat(1, 1, 16, 16)
    made[:, :, 4:12, 4:12] = torch.randint(low, high, (count, 3, 1, 1), generator=random)
    return (made + torch.randint(0, 4, made.shape, generator=random)).byte()


TRAIN, HELDOUT = pictures(drawings(120, 0)), pictures(drawings(30, 1), word="other")


def case(made, heldout=HELDOUT, **changes):
    drawn = draw(TRAIN, heldout, len(made))
    given = {"train": TRAIN, "heldout": heldout, "drawn": drawn, "made": made, "rounds": 20}
    return Case(**{**given, "features": (opened("pixels:size=2"),), **changes})


def figures(name, given, **options):
    return {(f.title, f.of): f for f in MEASURES[name](**options)(given)}


def only(name, given, **options):
    (figure,) = figures(name, given, **options).values()
    return figure


@pytest.fixture(scope="module")
def model(tiny_model):
    from unnoise.catalogue import load

    return load(str(tiny_model), "cpu")


def test_ours_are_there_and_say_what_they_need() -> None:
    assert set(OURS) <= set(MEASURES)
    for name in OURS:
        assert MEASURES[name]().needs <= {"data", "pictures", "model", "features"}
        assert MEASURES.summary(name)


@pytest.mark.parametrize("name", ["frechet", "kernel"])
def test_distances_tell_good_pictures_from_bad(name) -> None:
    good, bad = (only(name, case(drawings(40, 5, bright))) for bright in ((0, 200), (120, 250)))
    assert good.value.low - 1e-9 <= good.value.value <= good.value.high and good.better == "lower"
    assert bad.value.low > good.value.high and bad.value.value > 5 * abs(good.beside.value)
    assert good.beside == bad.beside  # real ones are the same, whatever was made


def test_few_pictures_for_many_features_are_told() -> None:
    many = case(drawings(10, 5), features=(opened("pixels"),))
    assert "10 pictures for 192 features" in only("frechet", many).note
    assert only("frechet", case(drawings(40, 5))).note == ""


def test_precision_and_recall() -> None:
    good = figures("precision_recall", case(drawings(50, 5)))
    one = drawings(1, 6).repeat(50, 1, 1, 1)
    same = figures("precision_recall", case((one + torch.randint(0, 3, one.shape)).byte()))
    assert [title for title, _ in good] == ["precision", "recall", "density", "coverage"]
    value = {title: (good[title, of].value.value, same[title, of].value.value) for title, of in good}
    assert value["recall"][0] > 0.6 > value["recall"][1] and value["coverage"][0] > 0.5 > value["coverage"][1]
    assert good["recall", "pixels 2x2"].beside.value > 0.6
    assert all(good[key].beside == same[key].beside for key in good)  # real ones are the same, whatever was made
    with pytest.raises(Refused, match="no neighbour 0"):
        MEASURES["precision_recall"](k=0)


@pytest.mark.parametrize("heldout", [HELDOUT, None], ids=["heldout", "none"])
def test_memorisation_tells_copies(heldout) -> None:
    of = "16x16 pixels, in 1/255"
    copied = torch.cat([TRAIN.images[:10], TRAIN.images[10:20].flip(-1)])
    found, fresh = (figures("memorisation", case(made, heldout)) for made in (copied, drawings(20, 5)))
    title = "copies of training pictures"
    assert found[title, of].value.value == found[title, "pixels 2x2"].value.value == 1
    assert fresh[title, of].value.value < 0.3 and fresh[title, of].beside.value == pytest.approx(
        expected(len(heldout or TRAIN))
    )
    usual = fresh["nearest training picture, median", of]
    assert usual.value.value == pytest.approx(usual.beside.value, rel=0.5)
    assert usual.against == ("held-out pictures" if heldout else "other training pictures")


def test_a_held_out_picture_that_was_trained_on_hides_no_copies() -> None:
    leaky = pictures(torch.cat([HELDOUT.images, TRAIN.images[7:9]]), word="other")
    found = figures("memorisation", case(TRAIN.images[:20], leaky))
    some = [found["copies of training pictures", of] for of in ("16x16 pixels, in 1/255", "pixels 2x2")]
    assert [f.value.value for f in some] == [1, 1] and some[0].beside.count == len(HELDOUT)
    assert "2 of the held-out pictures are training pictures too" in some[0].note
    nothing = pictures(TRAIN.images[:9], word="other")
    found = figures("memorisation", case(torch.cat([TRAIN.images[:20], drawings(20, 5)]), nothing))
    assert found["copies of training pictures", "16x16 pixels, in 1/255"].value.value == 0.5


def test_copies_are_told_by_what_was_asked_for(model) -> None:
    trained = torch.tensor([d.split == "train" for d in draw(TRAIN, HELDOUT, 20)])
    made = torch.where(trained[:, None, None, None], TRAIN.images[:20], drawings(20, 5))
    found = figures("memorisation", case(made, model=model))["copies of training pictures", "16x16 pixels, in 1/255"]
    assert found.found["share"]["trained words"] == 1 and found.found["share"]["held-out words"] < 0.4
    assert found.note.startswith("1 of trained words, ")
    assert figures("memorisation", case(made))["copies of training pictures", "pixels 2x2"].note == ""


def test_duplicates_are_named() -> None:
    train = pictures(torch.cat([TRAIN.images, TRAIN.images[5:6]]))
    heldout = pictures(torch.cat([HELDOUT.images, TRAIN.images[7:8]]), word="other")
    found = list(MEASURES["duplicates"]()(Case(train=train, heldout=heldout)))
    assert [f.value.value for f in found] == [1, 1]
    assert found[0].found == {"groups": [["thing-5", "thing-120"]]} and "thing-5 = thing-120" in found[0].note
    assert found[1].found == {"pairs": {"other-30": "thing-7"}}


def test_pictures_after_bits(model) -> None:
    given = Case(train=TRAIN, heldout=HELDOUT, model=model, rounds=20)
    found = list(MEASURES["rate"](count=5, bits=100, side=8)(given))
    assert [f.title for f in found] == [f"held-out pictures after {bits} bits, dB" for bits in (25, 100, 400)]
    assert all((f.value.count, f.beside.count, f.of) == (5, 5, "8 x 8 pixels") for f in found)
    assert all(f.value.low <= f.value.value <= f.value.high for f in found)
    assert found[1].found["pictures"] == [HELDOUT.names[k] for k in order(len(HELDOUT), 0)[:5]]
    assert sum(found[1].found["values"]) / 5 == pytest.approx(found[1].value.value)
    alone = next(iter(MEASURES["rate"](count=2)(Case(train=TRAIN, model=model, rounds=2))))
    assert alone.title == "training pictures after 250 bits, dB" and alone.beside is None
    much = list(MEASURES["rate"](count=2, bits=10**15, side=4096)(given))
    assert all((f.of, f.note) == ("16 x 16 pixels", "the code of some ends before") for f in much)
    assert all(f.note == "" for f in found)
    with pytest.raises(Refused, match="from 1"):
        MEASURES["rate"](bits=0)


def test_loss_and_likelihood_of_a_model(model) -> None:
    given = Case(train=TRAIN, heldout=HELDOUT, model=model, rounds=20)
    loss, more = figures("loss", given, count=10).values()
    assert (loss.value.count, loss.beside.count, loss.title) == (10, 10, "held-out loss")
    assert more.value.value == pytest.approx(loss.value.value / loss.beside.value)
    assert more.value.low <= more.value.value <= more.value.high
    assert loss.value.low <= loss.value.value <= loss.value.high
    bits = only("likelihood", given, count=3, steps=2)
    assert (bits.value.count, bits.beside.count, bits.of) == (3, 3, "pixels")
    assert bits.found["noise"] in (0.01, 0.02, 0.04, 0.08) and f"{bits.found['noise']:g}" in bits.note
    alone = Case(train=TRAIN, model=model, rounds=20)
    assert only("loss", alone, count=5).beside is None
    assert only("likelihood", alone, count=1, steps=1, noise=0.05).title == "bits per dimension, training"


@pytest.mark.parametrize("count", [0, -5])
def test_a_loss_is_of_pictures(count) -> None:
    with pytest.raises(Refused, match=f"a loss of {count} pictures"):
        MEASURES["loss"](count=count)


def test_the_noise_left_in_is_told_as_it_was(model) -> None:
    from unnoise.core.schedule import Rectified

    least = 0.06 / 0.94
    given = Case(train=TRAIN, model=replace(model, schedule=Rectified(low=0.06)), rounds=2)
    raised, own, chose = (only("likelihood", given, count=1, steps=1, noise=s) for s in (0.01, 0.1, 0))
    assert (
        raised.found["noise"] == pytest.approx(least) and f"{least:g} left in, the model's least: 0.01" in raised.note
    )
    assert own.note == "with noise of 0.1 left in"
    assert chose.found["noise"] in (raised.found["noise"], 0.08) and f"{chose.found['noise']:g}" in chose.note


def test_held_out_pictures_have_no_say_in_the_noise_left_in(model, monkeypatch) -> None:
    asked = []

    def bits(_, case, pictures, noise, count):
        asked.append((pictures, noise))
        return torch.full((count,), 3 + abs(noise - 0.02))

    monkeypatch.setattr(MEASURES["likelihood"], "_bits", bits)
    figure = only("likelihood", Case(train=TRAIN, heldout=HELDOUT, model=model, rounds=2))
    assert figure.found == {"noise": 0.02} and figure.value.value == 3
    assert [pictures for pictures, _ in asked] == [TRAIN] * 4 + [HELDOUT, TRAIN]
    assert [noise for _, noise in asked] == [0.01, 0.02, 0.04, 0.08, 0.02, 0.02]


def test_noise_that_cannot_be_predicted_is_refused(model) -> None:
    from unnoise.core.denoiser import Denoiser
    from unnoise.core.prediction import Epsilon
    from unnoise.core.schedule import Cosine

    network = Denoiser(model.denoiser.network, Epsilon(), model.denoiser.clock)
    given = Case(train=TRAIN, model=replace(model, denoiser=network, schedule=Cosine()), rounds=20)
    with pytest.raises(Refused, match=r"likelihood:high=0\.999"):
        only("likelihood", given, count=1, steps=1)
    assert only("likelihood", given, count=1, steps=1, noise=0.1, high=0.99).value.count == 1
    with pytest.raises(Refused, match="counts from 1"):
        MEASURES["likelihood"](count=0)


def test_only_what_can_be_had_is_chosen() -> None:
    of_data = {type(m).__module__.rpartition(".")[2] for m in chosen((), frozenset({"data"}))}
    assert "duplicates" in of_data and not of_data & {"frechet", "loss", "memorisation"}
    everything = frozenset({"data", "pictures", "model", "features"})
    assert len(chosen((), everything)) >= 7
    assert not any(type(m).__name__ == "Compositional" for m in chosen((), everything))  # it takes a witness
    (made,) = chosen(["precision_recall:k=5"], everything)
    assert made.k == 5
    with pytest.raises(Refused, match="'loss' needs model"):
        chosen(["loss"], frozenset({"data"}))
    with pytest.raises(Refused, match="no measure 'fid'"):
        chosen(["fid"], everything)
