"""Pictures as rows of patches, and back."""

from torch import Tensor


def patchify(x: Tensor, patch: int) -> Tensor:
    """(B, C, H, W) -> (B, H W / patch², C patch²)"""
    x = x.unflatten(3, (-1, patch)).unflatten(2, (-1, patch))  # (B, C, h, p, w, q)
    return x.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


def unpatchify(tokens: Tensor, patch: int, size: tuple[int, int]) -> Tensor:
    """(B, h w, C patch²) and (h, w) -> (B, C, h patch, w patch)"""
    x = tokens.unflatten(1, size).unflatten(3, (-1, patch, patch))  # (B, h, w, C, p, q)
    return x.permute(0, 3, 1, 4, 2, 5).flatten(4).flatten(2, 3)
