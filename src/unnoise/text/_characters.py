"""sentencepiece's table of characters that are written alike, such as "ﬁ" and "fi", as its models hold it.

Four bytes say how long a trie is; then comes the trie, a double array of whole numbers of four bytes (Aoe 1989; the
library Darts-clone), and then the texts that its leaves point to, each with a NUL behind it. Whoever reads it follows
the trie wherever it leads, so this sees that all of its ways end inside of it.
"""

import numpy as np

LARGEST = 2**20


def check_characters(table: bytes) -> int:
    """See that a table can be followed anywhere.

    Returns:
        The length of the longest text that a character may become, in bytes.

    Raises:
        ValueError: it cannot.
    """
    length = int.from_bytes(table[:4], "little")
    texts = table[4 + length :]
    if len(table) > LARGEST or not 0 < length <= len(table) - 4 or length % 1024:
        raise ValueError("its table of characters is damaged")
    texts.decode("utf-8")
    units = np.frombuffer(table, np.dtype("<u4"), length // 4, 4).astype(np.int64)
    # A way goes on at the number XOR the byte that is read: among the same 256, so the numbers alone tell.
    onward = np.arange(len(units)) ^ ((units >> 10) << ((units & 512) >> 6))
    ways = units >> 31 == 0
    ways[0] = True  # where all begin
    if (onward[ways] >= len(units)).any():
        raise ValueError("its table of characters is damaged")
    places = units[onward[ways & (units >> 8 & 1 == 1)]] & 0x7FFFFFFF
    ends = np.frombuffer(texts + b"\0", np.uint8)
    if (places >= len(ends)).any() or (ends[places] & 0xC0 == 0x80).any():
        raise ValueError("its table of characters is damaged")
    return max(map(len, texts.split(b"\0")))
