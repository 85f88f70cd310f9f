"""What every test may use: the folder of shared fixtures; and what makes two runs alike."""

import signal
from pathlib import Path

import pytest
import torch
from hypothesis import settings

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests in the background has them, and all that they start, ignore interrupts.
    signal.signal(signal.SIGINT, signal.default_int_handler)


ROOT = Path(__file__).resolve().parent.parent

# The same examples every time, and no stopwatch: a busy machine must not fail a test.
settings.register_profile("same", derandomize=True, deadline=None, database=None)
settings.load_profile("same")


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> None:
    """Sums in torch depend on the number of threads."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder `shared` beside the repository: golden numbers, real files and data too large to keep here."""
    folder = ROOT.parent / "shared"
    if not folder.is_dir():
        pytest.skip("the folder 'shared' beside the repository, which holds the golden numbers, is not here")
    return folder


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of our own format with random weights: text to 16 x 16 pixels, in sides of multiples of 4."""
    from unnoise.core.clock import Scaled
    from unnoise.core.denoiser import Denoiser
    from unnoise.core.description import Description
    from unnoise.core.model import Model
    from unnoise.core.prediction import Data
    from unnoise.core.schedule import Rectified
    from unnoise.families.native import export, parts
    from unnoise.networks.dit import DiT, DiTConfig
    from unnoise.networks.pixels import Pixels, PixelsConfig
    from unnoise.spacings.uniform import Uniform
    from unnoise.text._vocabulary import learn
    from unnoise.text.transformer import TransformerConditioner, TransformerConfig
    from unnoise.weights.store import write_tensors

    random = torch.Generator().manual_seed(0)
    reader = TransformerConfig(vocabulary=300, window=8, width=32, depth=1, heads=1)
    model = Model(
        Denoiser(DiT(DiTConfig(patch=4, width=64, depth=1, heads=1, context=32)), Data(), Scaled()),
        Rectified(),
        Uniform(),
        Pixels(PixelsConfig()),
        TransformerConditioner(reader, learn(["a red fox", "a blue whale", "the moon"], 300), DiT.Condition),
        Description(
            name="tiny",
            family="native",
            title="random weights",
            width=16,
            height=16,
            multiple=4,
            largest=64,
            defaults={"steps": 4, "guidance": 2.0, "sampler": "euler"},
        ),
    )
    tensors = {
        f"{prefix}.{name}": torch.randn(value.shape, generator=random) * 0.2
        for prefix, module in parts(model).items()
        for name, value in module.state_dict().items()
    }
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    write_tensors(path, *export(model, tensors, torch.float32))
    return path
