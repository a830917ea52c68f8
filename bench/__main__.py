"""Runs every benchmark, one after the other."""

from bench import accept, claims, engines, lines, path, scale, start

for part in (start, accept, path, claims, scale, engines, lines):
    print(f"\n== {part.__name__}: {part.__doc__.splitlines()[0]}")
    part.main()
