"""Scores files on disk, never a model: `python -m eval real=DIR synthetic=DIR out=DIR`.

Reading order: config -> images (decode, fit) -> comparison -> features (random_conv, inception, dinov2, domain) -> frechet,
kernel -> floor -> nearest -> domain_measures (sar, mri) -> labels -> by_class, bias -> privacy (tolerant, privacy_audit),
membership -> score -> card (verdict, provenance) -> html (plots) -> report.
Tables (`real=FILE.csv`) are compared in eval.tables, which has a reading order of its own.
The package shadows the builtin `eval`, so write `from eval.frechet import ...`, never `import eval`.
"""
