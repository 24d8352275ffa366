#!/usr/bin/env python3
"""Writes tool/unicode_new.h: the general categories of characters that the installed utf8proc does not know yet.

    pip install regex==2026.11.15
    tool/unicode.py > tool/unicode_new.h

To be run beside the oldest utf8proc that is built against: Debian 12 has 2.8, of Unicode 15."""
import ctypes
import regex

CATEGORIES = ["Cn", "Lu", "Ll", "Lt", "Lm", "Lo", "Mn", "Mc", "Me", "Nd", "Nl", "No", "Pc", "Pd", "Ps", "Pe", "Pi", "Pf",
              "Po", "Sm", "Sc", "Sk", "So", "Zs", "Zl", "Zp", "Cc", "Cf", "Cs", "Co"]  # as utf8proc numbers them
PATTERNS = [regex.compile(r"\p{%s}" % c) for c in CATEGORIES]
known = ctypes.CDLL("libutf8proc.so.2").utf8proc_category


def category(c):
    return next(i for i, p in enumerate(PATTERNS) if p.match(chr(c)))


ranges = []
for c in range(0x110000):
    if 0xD800 <= c < 0xE000 or 0x40000 <= c < 0xE0000 or c >= 0xF0000:
        continue
    if known(c):  # what has changed since stays as the models learnt it
        continue
    now = category(c)
    if not now:
        continue
    if ranges and ranges[-1][1] == c - 1 and ranges[-1][2] == now:
        ranges[-1][1] = c
    else:
        ranges.append([c, c, now])
print("/* Written by tool/unicode.py: the categories of characters that are newer than Unicode 15 (utf8proc 2.8), as the\n"
      " * regex library of November 2026 has them, in ascending ranges. */")
print("#ifndef TOOL_UNICODE_NEW_H\n#define TOOL_UNICODE_NEW_H\n\n#include <utf8proc.h>\n")
print("static const struct {\n    uint32_t from, to;\n    utf8proc_category_t category;\n} new_categories[] = {")
for low, high, now in ranges:
    print(f"    {{0x{low:X}, 0x{high:X}, UTF8PROC_CATEGORY_{CATEGORIES[now].upper()}}},")
print("};\n\n#endif")
