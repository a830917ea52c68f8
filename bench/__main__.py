"""Runs every benchmark of the path, one after the other."""

from bench import accept, path, start

for part in (start, accept, path):
    print(f"\n== {part.__name__}: {part.__doc__.splitlines()[0]}")
    part.main()
