# What a study shows. These jobs take seconds and run where Snakemake runs. `report(...)` and its captions are for
# Snakemake's own report (snakemake STUDY --report FILE); rule report takes the captions, too.
localrules:
    experiments,
    comparisons,
    table,
    figure,
    report,


rule experiments:
    input:
        metrics=lambda wc: PRODUCTS.job_files(wc.study, "metrics.json"),
    output:
        csv=f"{layout.STUDY}/experiments.csv",
    log:
        "logs/experiments/{study}.log",
    conda:
        "../../envs/figures.yaml"
    params:
        spec=lambda wc: SPECS.experiments(wc.study),
    script:
        "../scripts/experiments.py"


rule comparisons:
    input:
        experiments=rules.experiments.output.csv,
        predictions=lambda wc: PRODUCTS.job_files(wc.study, "predictions.parquet"),
    output:
        csv=f"{layout.STUDY}/comparisons.csv",
    log:
        "logs/comparisons/{study}.log",
    conda:
        "../../envs/figures.yaml"
    params:
        spec=lambda wc: SPECS.comparisons(wc.study),
    script:
        "../scripts/comparisons.py"


rule table:
    input:
        unpack(lambda wc: PRODUCTS.view_files("tables", wc.study, wc.name)),
    output:
        html=report(
            f"{layout.STUDY}/tables/{{name}}.html",
            category="{study}",
            subcategory="tables",
            caption="../report/table.rst",
            labels={"table": "{name}"},
        ),
        csv=f"{layout.STUDY}/tables/{{name}}.csv",
        md=f"{layout.STUDY}/tables/{{name}}.md",
        tex=f"{layout.STUDY}/tables/{{name}}.tex",
    log:
        "logs/table/{study}/{name}.log",
    conda:
        "../../envs/figures.yaml"
    params:
        spec=lambda wc: SPECS.table(wc.study, wc.name),
        caption=lambda wc: PRODUCTS.caption("tables", wc.study, wc.name),
    script:
        "../scripts/table.py"


rule figure:
    input:
        unpack(lambda wc: PRODUCTS.view_files("figures", wc.study, wc.name)),
    output:
        svg=report(
            f"{layout.STUDY}/figures/{{name}}.svg",
            category="{study}",
            subcategory="figures",
            caption="../report/figure.rst",
            labels={"figure": "{name}"},
        ),
        pdf=f"{layout.STUDY}/figures/{{name}}.pdf",
        png=f"{layout.STUDY}/figures/{{name}}.png",
    log:
        "logs/figure/{study}/{name}.log",
    conda:
        lambda wc: PRODUCTS.environment(wc.study, wc.name)
    params:
        spec=lambda wc: SPECS.figure(wc.study, wc.name),
        caption=lambda wc: PRODUCTS.caption("figures", wc.study, wc.name),
    script:
        "../scripts/figure.py"


rule report:
    input:
        unpack(lambda wc: REPORTS.files(wc.study)),
    output:
        html=f"{layout.STUDY}/report.html",
        tex=f"{layout.STUDY}/report.tex",
        bib=f"{layout.STUDY}/references.bib",
    log:
        "logs/report/{study}.log",
    conda:
        "../../envs/figures.yaml"
    params:
        spec=lambda wc: REPORTS.spec(wc.study),
    script:
        "../scripts/report.py"
