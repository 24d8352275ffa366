#!/usr/bin/env python3
"""Writes src/text/template_case_table.h from Python's Unicode data: runs of letters with one distance to
their other case, and those whose other case has several letters."""
import sys


def runs(fold):
    out = []
    for code in range(128, 0x110000):
        if 0xD800 <= code < 0xE000:
            continue
        other = fold(chr(code))
        if len(other) != 1 or other == chr(code):
            continue
        delta = ord(other) - code
        if out and out[-1][3] == delta:
            start, end, step, _ = out[-1]
            if start == end and code - end in (1, 2):
                out[-1] = (start, code, code - end, delta)
                continue
            if code - end == step:
                out[-1] = (start, code, step, delta)
                continue
        out.append((code, code, 1, delta))
    return out


def table(name, fold):
    lines = ["static const case_run %s[] = {" % name]
    row = ""
    for item in runs(fold):
        word = "{0x%x, 0x%x, %d, %d}, " % item
        if len(row) + len(word) > 96:
            lines.append("    " + row.rstrip())
            row = ""
        row += word
    lines += ["    " + row.rstrip(), "};"]
    return lines


def several(name, fold):
    lines = ["static const case_word %s[] = {" % name]
    row = ""
    for code in range(128, 0x110000):
        if 0xD800 <= code < 0xE000:
            continue
        other = fold(chr(code))
        if len(other) > 1:
            word = '{0x%x, "%s"}, ' % (code, "".join("\\x%02x" % b for b in other.encode()))
            if len(row) + len(word) > 96:
                lines.append("    " + row.rstrip())
                row = ""
            row += word
    lines += ["    " + row.rstrip(), "};"]
    return lines


lines = ["/* Written by tool/template_case.py from the Unicode data of Python %d.%d. */" % sys.version_info[:2],
         "#ifndef TEXT_TEMPLATE_CASE_TABLE_H", "#define TEXT_TEMPLATE_CASE_TABLE_H", "", "/* clang-format off */"]
lines += table("upper_runs", str.upper) + several("upper_words", str.upper)
lines += table("lower_runs", str.lower) + several("lower_words", str.lower)
lines += ["/* clang-format on */", "", "#endif"]
print("\n".join(lines))
