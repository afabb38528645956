# synthmix: generate -> score, filter -> train -> evaluate -> tables and figures. See README.md and docs/.
import os
import sys
from pathlib import Path

ROOT = Path(workflow.basedir)
sys.path.insert(0, str(ROOT / "workflow/scripts"))


from synthmix.planning.configuration import ConfigurationError, says_something
from synthmix.planning.plan import ENVIRONMENT

try:
    # Jobs of this call go by its frozen plan, whatever config.yaml says meanwhile.
    CONFIGURED = ENVIRONMENT not in os.environ and says_something(ROOT / "config.yaml")
except ConfigurationError as error:
    # One line for people, instead of a traceback through Snakemake.
    raise WorkflowError(str(error)) from None

if CONFIGURED:  # Snakemake takes an empty file for an error

    configfile: ROOT / "config.yaml"


report: "workflow/report/workflow.rst"


container: str(ROOT / "envs/synthmix.sif")  # only with --sdm apptainer; see docs/environments.md


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/generate.smk"
include: "workflow/rules/score.smk"
include: "workflow/rules/filter.smk"
include: "workflow/rules/audit.smk"
include: "workflow/rules/detect.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/explain.smk"
include: "workflow/rules/corrupt.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        [PRODUCTS.targets(study) for study in PLAN.config["studies"]],


# Every active study is a target of its own name.
for study in PLAN.studies:

    rule:
        name:
            study
        input:
            PRODUCTS.targets(study),
