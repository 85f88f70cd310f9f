"""One CLIP text encoder, as Stable Diffusion 1 and 2 have it: the states of its tokens, normed.

A prompt longer than a window of 77 tokens is read window by window and the results are laid end to end.
"""

from collections.abc import Callable, Sequence

from torch import Tensor, nn

from unnoise.core.condition import Condition
from unnoise.core.model import Wish
from unnoise.text._encode import CLIP, Tokens, clip_states, counted, in_windows, taught, widths


class CLIPConditioner(nn.Module):
    """Prompts -> a condition with `context` (B, L, width), and `mask` (B, L) where a prompt has several windows.

    Args:
        text: the encoder with its tokenizer.
        make: the network's condition class.
        skip: how many of the encoder's last layers are left out: 0 for SD 1; 1 for SD 2 where the file has all of them
            (diffusers' folders do without the last). "Clip skip 2" is one more.
    """

    def __init__(self, text: CLIP, make: Callable[..., Condition], skip: int = 0) -> None:
        super().__init__()
        self.encoder, self.words = text.encoder, {"encoder": text.words}
        self.make, self.skip = make, skip

    def prepare(self, wishes: Sequence[Wish]) -> Tokens:
        return in_windows(self.words["encoder"], wishes, self.encoder.config.positions)

    def forward(self, tokens: Tokens) -> Condition:
        context = clip_states(self.encoder, tokens, self.skip, norm=True)
        return self.make(context=context, mask=counted(tokens, self.encoder.config.positions, context.device))

    @property
    def widths(self) -> Sequence[int]:
        """How wide the vectors of its text encoder are."""
        return widths(self)

    def with_vectors(self, words: Sequence[str], vectors: Sequence[Tensor]) -> "CLIPConditioner":
        """One that reads the vectors (N, width) wherever a prompt has one of the words."""
        return taught(self, words, vectors)
