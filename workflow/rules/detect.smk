rule detect:
    input:
        val=f"{layout.DATA}/val.safetensors",
        meta=f"{layout.DATA}/meta.json",
        shards=lambda wc: PLAN.shards(wc.dataset, wc.pool, int(wc.n)),
    output:
        detection=layout.DETECTION,
    log:
        "logs/detect/{dataset}/{pool}-n{n}.log",
    benchmark:
        f"{layout.BENCHMARKS}/detect/{{dataset}}/{{pool}}-n{{n}}.tsv"
    conda:
        "../../envs/learning.yaml"
    threads: REQUESTS.threads("detect")
    resources:
        **REQUESTS.resources("detect"),
    params:
        spec=lambda wc: SPECS.detect(wc.dataset, wc.pool, int(wc.n)),
    script:
        "../scripts/detect.py"
