# The runs of one bundle of training sets for a block of seeds. The test split is not an input: training cannot see it.
rule train:
    input:
        train=f"{layout.DATA}/train.safetensors",
        val=f"{layout.DATA}/val.safetensors",
        meta=f"{layout.DATA}/meta.json",
        shards=lambda wc: PLAN.job_shards(job_of(wc)),
        filters=lambda wc: PLAN.job_filters(job_of(wc)),
    output:
        model=kept("weights", f"{layout.JOB}/model.safetensors"),
        history=f"{layout.JOB}/history.csv",
        facts=f"{layout.JOB}/training.json",
    log:
        "logs/train/{dataset}/{bundle}/{model}/{recipe}/seeds{seeds}.log",
    benchmark:
        f"{layout.BENCHMARKS}/train/{{dataset}}/{{bundle}}/{{model}}/{{recipe}}/seeds{{seeds}}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: REQUESTS.threads("train")
    resources:
        **REQUESTS.resources("train"),
    params:
        spec=lambda wc: SPECS.train(job_of(wc)),
    script:
        "../scripts/train.py"


# The classifiers that a filter ranks by, one for each seed: runs on that seed's few real images.
use rule train as train_extractor_by_seed with:
    input:
        train=f"{layout.DATA}/train.safetensors",
        val=f"{layout.DATA}/val.safetensors",
        meta=f"{layout.DATA}/meta.json",
    output:
        model=f"{layout.EXTRACTOR}/{{group}}/model.safetensors",
        history=f"{layout.EXTRACTOR}/{{group}}/history.csv",
        facts=f"{layout.EXTRACTOR}/{{group}}/training.json",
    log:
        "logs/train_extractor/{dataset}/{extractor}/{group}.log",
    benchmark:
        f"{layout.BENCHMARKS}/train_extractor/{{dataset}}/{{extractor}}/{{group}}.tsv"
    wildcard_constraints:
        group="seeds[0-9-]+",
    threads: REQUESTS.threads("train_extractor")
    resources:
        **REQUESTS.resources("train_extractor"),
    params:
        spec=lambda wc: SPECS.few_shot(wc.dataset, wc.extractor, wc.group),
