# What a filter keeps of the images of one group of a pool.
rule filter:
    input:
        unpack(lambda wc: PRODUCTS.filter_extractor(wc.dataset, wc.filter)),
        train=f"{layout.DATA}/train.safetensors",
        meta=f"{layout.DATA}/meta.json",
        shards=lambda wc: PLAN.filter_shards(wc.dataset, wc.pool, wc.group, wc.filter),
    output:
        kept=layout.FILTER,
    log:
        "logs/filter/{dataset}/{pool}/{group}/{filter}.log",
    benchmark:
        f"{layout.BENCHMARKS}/filter/{{dataset}}/{{pool}}/{{group}}/{{filter}}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: REQUESTS.threads("filter")
    resources:
        **REQUESTS.resources("filter"),
    params:
        spec=lambda wc: SPECS.filter(wc.dataset, wc.pool, wc.group, wc.filter),
    script:
        "../scripts/filter.py"
