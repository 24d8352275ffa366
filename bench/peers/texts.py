"""Text of many scripts for the comparisons: files given, cut into documents of some lines, and between them random
words of Unicode's scripts, with marks, digits, spaces and punctuation of each, from a seed."""
import random
import unicodedata

BLOCKS = [(0x20, 0x7F), (0xA0, 0x250), (0x250, 0x300), (0x370, 0x400), (0x400, 0x530), (0x530, 0x590), (0x590, 0x600),
          (0x600, 0x700), (0x700, 0x780), (0x780, 0x7C0), (0x900, 0x980), (0x980, 0xA00), (0xA00, 0xB00),
          (0xB00, 0xC00), (0xC00, 0xD00), (0xD00, 0xE00), (0xE00, 0xE80), (0xE80, 0xF00), (0xF00, 0x1000),
          (0x1000, 0x10A0), (0x10A0, 0x1100), (0x1100, 0x1200), (0x1200, 0x1380), (0x13A0, 0x1400), (0x1780, 0x1800),
          (0x1E00, 0x2000), (0x2000, 0x2070), (0x2070, 0x2200), (0x2200, 0x2400), (0x2460, 0x2500), (0x2C00, 0x2D00),
          (0x3000, 0x3100), (0x3100, 0x3200), (0x3400, 0x3500), (0x4E00, 0x5200), (0xA000, 0xA100), (0xAC00, 0xB000),
          (0xFB00, 0xFB50), (0xFE30, 0xFF00), (0xFF00, 0xFFF0), (0x10300, 0x10350), (0x1D400, 0x1D500),
          (0x1F300, 0x1F650), (0x1F900, 0x1FA00), (0x20000, 0x20100)]


def words_of(r, block, count):
    chars = [chr(c) for c in range(*block) if unicodedata.category(chr(c)) not in ("Cn", "Cs", "Cc")]
    made = ["".join(r.choice(chars) for _ in range(r.randrange(1, 9))) for _ in range(count)]
    return [unicodedata.normalize("NFD" if r.random() < 0.1 else "NFC", w) for w in made]


def documents(paths, megabytes, seed=3):
    """A list of documents of so many megabytes in all, half of them from the files."""
    r, texts, size, number = random.Random(seed), [], 0, 0
    lines = [line for path in paths for line in open(path, encoding="utf-8", newline="")]
    stock = {block: words_of(r, block, 400) for block in BLOCKS}
    while size < megabytes * 1e6:
        at = number * 20 % len(lines)
        part = "".join(lines[at:at + 20])
        if number * 20 >= len(lines):  # another time round, some words are others
            part = " ".join(w[::-1] if r.random() < 0.05 else w for w in part.split(" "))
        texts.append(part)
        block = r.choice(BLOCKS)
        mixed = []
        while sum(map(len, mixed)) < 500:
            mixed.append(r.choice(stock[block] if r.random() < 0.95 else stock[r.choice(BLOCKS)]))
            mixed.append(r.choice([" ", " ", " ", " ", "  ", "\n", ", ", ". ", "\n\n", "-", str(r.randrange(10**6))]))
        texts.append("".join(mixed))
        size += len(texts[-1].encode()) + len(texts[-2].encode())
        number += 1
    return texts
