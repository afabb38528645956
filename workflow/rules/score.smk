rule train_extractor:
    input:
        train=f"{layout.DATA}/train.safetensors",
        val=f"{layout.DATA}/val.safetensors",
        meta=f"{layout.DATA}/meta.json",
    output:
        weights=f"{layout.EXTRACTOR}.safetensors",
        facts=f"{layout.EXTRACTOR}.json",
    log:
        "logs/train_extractor/{dataset}/{extractor}.log",
    benchmark:
        f"{layout.BENCHMARKS}/train_extractor/{{dataset}}/{{extractor}}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: REQUESTS.threads("train_extractor")
    resources:
        **REQUESTS.resources("train_extractor"),
    params:
        spec=lambda wc: SPECS.extractor(wc.dataset, wc.extractor),
    script:
        "../scripts/train_extractor.py"


rule reference:
    input:
        unpack(lambda wc: PRODUCTS.extractor_files(wc.dataset, wc.extractor)),
        train=f"{layout.DATA}/train.safetensors",
        val=f"{layout.DATA}/val.safetensors",
    output:
        features=layout.REFERENCE,
    log:
        "logs/reference/{dataset}/{extractor}.log",
    benchmark:
        f"{layout.BENCHMARKS}/reference/{{dataset}}/{{extractor}}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: REQUESTS.threads("reference")
    resources:
        **REQUESTS.resources("reference"),
    params:
        spec=lambda wc: SPECS.reference(wc.dataset, wc.extractor),
    script:
        "../scripts/reference.py"


rule score:
    input:
        unpack(lambda wc: PRODUCTS.extractor_files(wc.dataset, wc.extractor)),
        reference=layout.REFERENCE,
        shards=lambda wc: PLAN.shards(wc.dataset, wc.pool, int(wc.n)),
    output:
        score=layout.SCORE,
    log:
        "logs/score/{dataset}/{pool}/{extractor}-n{n}.log",
    benchmark:
        f"{layout.BENCHMARKS}/score/{{dataset}}/{{pool}}/{{extractor}}-n{{n}}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: REQUESTS.threads("score")
    resources:
        **REQUESTS.resources("score"),
    params:
        spec=lambda wc: SPECS.score(wc.dataset, wc.pool, wc.extractor, int(wc.n)),
    script:
        "../scripts/score.py"
