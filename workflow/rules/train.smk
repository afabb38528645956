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
