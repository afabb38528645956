# What a filter keeps of the images of one group of a pool.
rule filter:
    input:
        unpack(lambda wc: PRODUCTS.filter_extractor(wc.dataset, wc.filter, wc.group)),
        train=f"{layout.DATA}/train.safetensors",
        meta=f"{layout.DATA}/meta.json",
        shards=lambda wc: PLAN.filter_shards(wc.dataset, wc.pool, wc.group, wc.filter),
    output:
        kept=layout.FILTER,
    log:
        "logs/filter/{dataset}/{pool}/{group}/{filter}.log",
    benchmark:
        f"{layout.BENCHMARKS}/filter/{{dataset}}/{{pool}}/{{group}}/{{filter}}.tsv"
    wildcard_constraints:
        filter=filters(by_seed=False),
    conda:
        "../../envs/learning.yaml"
    threads: REQUESTS.threads("filter")
    resources:
        **REQUESTS.resources("filter"),
    params:
        spec=lambda wc: SPECS.filter(wc.dataset, wc.pool, wc.group, wc.filter),
    script:
        "../scripts/filter.py"


# The same where each seed's images are ranked by a classifier that was trained on that seed's real images.
rule filter_by_seed:
    input:
        unpack(lambda wc: PRODUCTS.filter_extractor(wc.dataset, wc.filter, wc.group)),
        train=f"{layout.DATA}/train.safetensors",
        meta=f"{layout.DATA}/meta.json",
        shards=lambda wc: PLAN.filter_shards(wc.dataset, wc.pool, wc.group, wc.filter),
    output:
        kept=layout.FILTER,
    log:
        "logs/filter/{dataset}/{pool}/{group}/{filter}.log",
    benchmark:
        f"{layout.BENCHMARKS}/filter/{{dataset}}/{{pool}}/{{group}}/{{filter}}.tsv"
    wildcard_constraints:
        filter=filters(by_seed=True),
    conda:
        "../../envs/learning.yaml"
    threads: REQUESTS.threads("filter")
    resources:
        **REQUESTS.resources("filter"),
    params:
        spec=lambda wc: SPECS.filter(wc.dataset, wc.pool, wc.group, wc.filter),
    script:
        "../scripts/filter_by_seed.py"
