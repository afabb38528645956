rule evaluate:
    input:
        model=rules.train.output.model,
        facts=rules.train.output.facts,
        test=f"{layout.DATA}/test.safetensors",
        meta=f"{layout.DATA}/meta.json",
    output:
        predictions=f"{layout.JOB}/predictions.parquet",
        metrics=f"{layout.JOB}/metrics.json",
    log:
        "logs/evaluate/{dataset}/{bundle}/{model}/{recipe}/seeds{seeds}.log",
    benchmark:
        f"{layout.BENCHMARKS}/evaluate/{{dataset}}/{{bundle}}/{{model}}/{{recipe}}/seeds{{seeds}}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: REQUESTS.threads("evaluate")
    resources:
        **REQUESTS.resources("evaluate"),
    params:
        spec=lambda wc: SPECS.evaluate(tested(wc)),
    script:
        "../scripts/evaluate.py"


# Classifiers trained on real images, tested on generated ones.
rule cross_test:
    input:
        model=rules.train.output.model,
        meta=f"{layout.DATA}/meta.json",
        shards=lambda wc: PLAN.pool_shards(wc.dataset, wc.pool),
    output:
        metrics=layout.CROSS_TEST,
    log:
        "logs/cross_test/{dataset}/{bundle}/{model}/{recipe}/seeds{seeds}/{training_set}.{pool}.log",
    benchmark:
        f"{layout.BENCHMARKS}/cross_test/{{dataset}}/{{bundle}}/{{model}}/{{recipe}}/seeds{{seeds}}/{{training_set}}.{{pool}}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: REQUESTS.threads("evaluate")
    resources:
        **REQUESTS.resources("evaluate"),
    params:
        spec=lambda wc: SPECS.cross_test(tested(wc), wc.training_set, wc.pool),
    script:
        "../scripts/cross_test.py"
