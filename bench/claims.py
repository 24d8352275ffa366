"""Claims of the scripts beside this file: a line each, what was measured and what is required."""


class Claims:
    def __init__(self):
        self.failed = False

    def claim(self, name, required, value, holds):
        self.failed |= not holds
        print(f"{'ok  ' if holds else 'FAIL'} {name}: {value} (required {required})", flush=True)
