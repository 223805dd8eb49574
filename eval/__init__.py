"""Scores files on disk, never a model: `python -m eval real=DIR synthetic=DIR out=DIR`.

Reading order: config -> images (decode, fit) -> comparison -> features (random_conv, inception) -> frechet, kernel ->
floor -> nearest -> score -> card (verdict, provenance) -> html (plots) -> report.
The package shadows the builtin `eval`, so write `from eval.frechet import ...`, never `import eval`.
"""
