"""Runs every benchmark, one after the other."""

from bench import accept, engines, lines, path, start

for part in (start, accept, path, engines, lines):
    print(f"\n== {part.__name__}: {part.__doc__.splitlines()[0]}")
    part.main()
