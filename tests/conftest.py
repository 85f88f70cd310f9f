"""What every test may use: the folder of shared fixtures, and one thread, so that two runs add up alike."""

from pathlib import Path

import pytest
import torch

ROOT = Path(__file__).resolve().parent.parent


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
