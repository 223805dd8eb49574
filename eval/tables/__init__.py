"""Tables: `python -m eval real=train.csv synthetic=syn.csv test=test.csv target=COLUMN out=DIR`, files only.

Reading order: config -> reader -> table -> space -> shapes, alpha, c2st, subgroups -> measures, lots -> smote, baselines ->
distances, duplicates, attack, privacy -> boosted, models, tune, scores, transfer, study -> comparison -> card (words,
verdict) -> html (pictures, sections) -> command.
"""
