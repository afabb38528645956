# A leaf: it reads test images, and nothing that is trained or chosen depends on it.
rule audit:
    input:
        unpack(lambda wc: PRODUCTS.extractor_files(wc.dataset, wc.extractor)),
        train=f"{layout.DATA}/train.safetensors",
        val=f"{layout.DATA}/val.safetensors",
        test=f"{layout.DATA}/test.safetensors",
        shards=lambda wc: PLAN.shards(wc.dataset, wc.pool, int(wc.n)),
    output:
        audit=f"{layout.AUDIT}.json",
        neighbours=f"{layout.AUDIT}.parquet",
    log:
        "logs/audit/{dataset}/{pool}/{extractor}-n{n}.log",
    benchmark:
        f"{layout.BENCHMARKS}/audit/{{dataset}}/{{pool}}/{{extractor}}-n{{n}}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: REQUESTS.threads("audit")
    resources:
        **REQUESTS.resources("audit"),
    params:
        spec=lambda wc: SPECS.audit(wc.dataset, wc.pool, wc.extractor, int(wc.n)),
    script:
        "../scripts/audit.py"
