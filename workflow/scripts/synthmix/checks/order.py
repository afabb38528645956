"""The checks of a study, in the order in which they are made: each relies on those before it."""

from synthmix.checks import (
    cams,
    choices,
    classes,
    explainers,
    exploring,
    filters,
    groups,
    labels,
    ladders,
    models,
    power,
    requests,
    results,
    robustness,
    searches,
    sources,
    splits,
    study,
    trainings,
)

# Of a study's content, before its searches are expanded into recipes and runs.
OF_NAMES = (study.references, searches.names)

OF_STUDY = (
    searches.grids,
    study.definitions,
    groups.merges,
    filters.filters,
    study.runs,
    requests.scale,
    power.power,
    searches.budgets,
    searches.tables,
    results.measurements,
    results.displays,
    robustness.robustness,
    choices.when,
    # These look at files, after what does not.
    sources.sources,
    splits.splits,
    ladders.curves,
    classes.classes,
    groups.views,
    labels.labels,
    models.models,
    trainings.last_batches,
    trainings.parts,
    trainings.durations,
    searches.points,
    explainers.attention,
    cams.cams,
    exploring.figures,
)
